"""Long-running operations: InProgress, then Succeeded, Failed or Canceled.

They survive a restart.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from azureml_emulator.control_plane.arm import ArmError, now
from azureml_emulator.control_plane.transitions import State, Transitions
from azureml_emulator.store import Document, Store

logger = logging.getLogger(__name__)

Work = Callable[[str], Awaitable[None]]
"""The work of an operation on a resource id; idempotent, because it runs again after a crash."""
Explain = Callable[[ArmError], Awaitable[ArmError]]
"""Turns the error of an operation into the one to show."""


async def _as_it_is(error: ArmError) -> ArmError:
    return error


class Status(StrEnum):
    """The status of an operation."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


@dataclass(frozen=True)
class Outcome:
    """A forced result of an operation, for tests.

    Attributes:
        status: Failed or Canceled: its work is not done. InProgress: it waits until it is released.
        code: The error's code, if it fails.
        message: The error's message.
    """

    status: Status
    code: str = ""
    message: str = ""


intended_outcome: ContextVar[Outcome | None] = ContextVar("intended_outcome", default=None)
"""Set while a request is handled: the forced result of the operation that it starts."""


@dataclass(frozen=True)
class Operation:
    """A long-running operation.

    Attributes:
        id: Its name in the status URL.
        kind: The kind of work.
        resource: ARM id of the resource.
        status: Its status.
        started: When it began, in ARM's format.
        error: ARM's `error` object, if it failed.
    """

    id: str
    kind: str
    resource: str
    status: Status
    started: str
    error: Document | None = None

    def document(self) -> Document:
        """Return the body of the status response."""
        document = {
            "id": self.id,
            "name": self.id,
            "status": self.status,
            "startTime": self.started,
            "percentComplete": 0.0 if self.status is Status.IN_PROGRESS else 100.0,
        }
        return document if self.error is None else {**document, "error": self.error}


async def _obey(outcome: Outcome | None, released: asyncio.Event) -> None:
    """Raise the forced error, or wait for the release."""
    if outcome and outcome.status is Status.FAILED:
        raise ArmError(400, outcome.code, outcome.message)
    if outcome and outcome.status is Status.IN_PROGRESS:
        await released.wait()


class Operations:
    """Starts operations, tracks them, and resumes unfinished ones after a restart."""

    def __init__(self, store: Store, transitions: Transitions) -> None:
        self._store = store
        self._transitions = transitions
        self._works: dict[str, tuple[Work, Explain]] = {}
        self._tasks: dict[str, asyncio.Task[Status]] = {}
        self._unwinding: set[asyncio.Task[Status]] = set()
        self._released = asyncio.Event()

    def define(self, kind: str, work: Work, explain: Explain = _as_it_is) -> None:
        """Define the work of a kind of operation.

        Args:
            kind: The kind's name.
            work: Raises ArmError to fail. A resource that is still busy then takes the operation's state.
            explain: Turns that error, or an injected one, into the error to show.
        """
        self._works[kind] = work, explain

    def start(self, kind: str, resource: str) -> Operation:
        """Start an operation on the resource with an ARM id."""
        operation = Operation(str(uuid.uuid4()), kind, resource, Status.IN_PROGRESS, now())
        self._save(operation)
        outcome = intended_outcome.get()
        # For one operation: not for a second one of the request, nor for those that its work starts.
        intended_outcome.set(None)
        self._run(operation, outcome)
        return operation

    def resume(self) -> None:
        """Run the operations again that a previous emulator left in progress."""
        for operation in self._select("status = ?", Status.IN_PROGRESS):
            self._run(operation)

    def get(self, operation_id: str) -> Operation | None:
        """Return an operation by id, or None."""
        return next(iter(self._select("id = ?", operation_id)), None)

    def cancel(self, resource: str) -> None:
        """Cancel the operations on a resource and below it."""
        for operation in self._select("status = ?", Status.IN_PROGRESS):
            if f"{operation.resource}/".lower().startswith(f"{resource}/".lower()):
                self._save(operation, Status.CANCELED)
                if task := self._tasks.pop(operation.id, None):
                    self._unwinding.add(task)
                    task.add_done_callback(self._unwinding.discard)
                    task.cancel()

    def has_succeeded(self, kind: str, resource: Document) -> bool:
        """Return whether an operation of a kind has succeeded on this resource.

        Operations on an earlier resource of the same id, deleted since, do not count.
        """
        created = resource["systemData"]["createdAt"]
        return any(
            operation.kind == kind and operation.started >= created
            for operation in self._select("resource = ? COLLATE NOCASE AND status = 'Succeeded'", resource["id"])
        )

    def release(self) -> None:
        """Continue the operations that are held in progress."""
        self._released.set()
        self._released = asyncio.Event()

    async def wait(self, operation_id: str) -> None:
        """Wait until an operation of this process has ended."""
        if task := self._tasks.get(operation_id):
            await asyncio.wait([task])

    async def close(self) -> None:
        """Stop working; operations in progress continue after the next start."""
        tasks = [*self._tasks.values(), *self._unwinding]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def clear(self) -> None:
        """Cancel and forget all operations."""
        await self.close()
        self._store.connection.execute("DELETE FROM operations")

    def _run(self, operation: Operation, outcome: Outcome | None = None) -> None:
        work, explain = self._works[operation.kind]

        async def run(released: asyncio.Event) -> Status:
            if outcome and outcome.status is Status.CANCELED:
                return Status.CANCELED
            try:
                await _obey(outcome, released)
                await work(operation.resource)
            except ArmError as error:
                raise await explain(error) from None
            return Status.SUCCEEDED

        task = asyncio.create_task(run(self._released))
        self._tasks[operation.id] = task
        task.add_done_callback(lambda task: self._finished(operation, task))

    def _finished(self, operation: Operation, task: asyncio.Task[Status]) -> None:
        if self._tasks.pop(operation.id, None) is None or task.cancelled():
            return  # cancelled or closing
        error = task.exception()
        if error is None:
            self._end(operation, task.result())
            return
        if not isinstance(error, ArmError):
            logger.error("%s of %s failed", operation.kind, operation.resource, exc_info=error)
            error = ArmError(500, "InternalServerError", f"{type(error).__name__}: {error}")
        self._end(operation, Status.FAILED, error.document())

    def _end(self, operation: Operation, status: Status, error: Document | None = None) -> None:
        self._save(operation, status, error)
        # The resource may be unchanged, as with new keys, or deleted.
        if self._transitions.is_busy(operation.resource):
            self._transitions.move(operation.resource, State(status))

    def _save(self, operation: Operation, status: Status | None = None, error: Document | None = None) -> None:
        self._store.connection.execute(
            "INSERT OR REPLACE INTO operations (id, kind, resource, status, started, error) VALUES (?, ?, ?, ?, ?, ?)",
            (
                operation.id,
                operation.kind,
                operation.resource,
                status or operation.status,
                operation.started,
                json.dumps(error) if error else None,
            ),
        )

    def _select(self, condition: str, value: str) -> list[Operation]:
        query = f"SELECT id, kind, resource, status, started, error FROM operations WHERE {condition}"  # noqa: S608
        return [
            Operation(row[0], row[1], row[2], Status(row[3]), row[4], json.loads(row[5]) if row[5] else None)
            for row in self._store.connection.execute(query, (value,))
        ]
