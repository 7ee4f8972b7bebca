"""Long-running operations: they survive a restart."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.arm.resources import now
from azureml_emulator.arm.transitions import State, Transitions
from azureml_emulator.store import Document, Store

logger = logging.getLogger(__name__)

Work = Callable[[str], Awaitable[None]]
"""Work of an operation on the resource with the given id; it must be idempotent, as it runs again after a crash."""
Explain = Callable[[ArmError], Awaitable[ArmError]]
"""Maps the error of a failed operation to the one to show."""


async def _unchanged(error: ArmError) -> ArmError:
    return error


class Status(StrEnum):
    """The status of an operation."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


@dataclass(frozen=True)
class Outcome:
    """An outcome forced on an operation.

    Attributes:
        status: Failed or Canceled, without doing the work; InProgress until it is released.
        code: The error code, if it fails.
        message: The error's message.
    """

    status: Status
    code: str = ""
    message: str = ""


forced_outcome: ContextVar[Outcome | None] = ContextVar("forced_outcome", default=None)
"""Forced outcome of the operation that the present request starts."""


@dataclass(frozen=True)
class Operation:
    """A long-running operation.

    Attributes:
        id: The last part of its name in the status URL.
        kind: The kind of work, see `Operations.define`.
        resource: ARM id of its resource.
        status: Its status.
        started: Start time, as ARM writes it.
        ended: End time; None while it is in progress.
        error: ARM's `error` object, if it failed.
    """

    id: str
    kind: str
    resource: str
    status: Status
    started: str
    ended: str | None = None
    error: Document | None = None


async def _force_outcome(outcome: Outcome | None, released: asyncio.Event) -> None:
    """Apply a forced failure, or wait until the operation is released."""
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

    def define(self, kind: str, work: Work, explain: Explain = _unchanged) -> None:
        """Define what operations of a kind do.

        Args:
            kind: The kind's name.
            work: Raises ArmError to fail. A busy resource then gets the operation's final state.
            explain: Maps the error of a failed operation to the one to show.
        """
        self._works[kind] = work, explain

    def start(self, kind: str, resource: str) -> Operation:
        """Start an operation on a resource."""
        operation = Operation(str(uuid.uuid4()), kind, resource, Status.IN_PROGRESS, now())
        self._save(operation)
        outcome = forced_outcome.get()
        # For one operation only, not for those that its work starts.
        forced_outcome.set(None)
        self._run(operation, outcome)
        return operation

    def resume(self) -> None:
        """Run again what a previous emulator left in progress."""
        for operation in self._select("status = ?", Status.IN_PROGRESS):
            self._run(operation)

    def get(self, operation_id: str) -> Operation | None:
        """Return an operation, or None."""
        return next(iter(self._select("id = ?", operation_id)), None)

    def running(self, kind: str, resource: str) -> Operation | None:
        """Return the operation of a kind that is in progress on a resource, or None."""
        found = self._select("status = ?", Status.IN_PROGRESS)
        of_resource = (each for each in found if each.resource.lower() == resource.lower())
        return next((operation for operation in of_resource if operation.kind == kind), None)

    def cancel(self, resource: str) -> None:
        """Cancel the operations in progress on a resource or below it."""
        for operation in self._select("status = ?", Status.IN_PROGRESS):
            if f"{operation.resource}/".lower().startswith(f"{resource}/".lower()):
                self._save(operation, Status.CANCELED)
                if task := self._tasks.pop(operation.id, None):
                    self._unwinding.add(task)
                    task.add_done_callback(self._unwinding.discard)
                    task.cancel()

    def has_succeeded(self, kind: str, resource: Document) -> bool:
        """Return whether an operation succeeded since the resource was created."""
        created = resource["systemData"]["createdAt"]
        return any(
            operation.kind == kind and operation.started >= created
            for operation in self._select("resource = ? COLLATE NOCASE AND status = 'Succeeded'", resource["id"])
        )

    def release(self) -> None:
        """Let operations continue that a fault holds in progress."""
        self._released.set()
        self._released = asyncio.Event()

    async def wait(self, operation_id: str) -> None:
        """Wait until an operation of this run has ended."""
        if task := self._tasks.get(operation_id):
            await asyncio.wait([task])

    async def close(self) -> None:
        """Stop working; operations in progress resume at the next start."""
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
                await _force_outcome(outcome, released)
                await work(operation.resource)
            except ArmError as error:
                raise await explain(error) from None
            return Status.SUCCEEDED

        task = asyncio.create_task(run(self._released))
        self._tasks[operation.id] = task
        task.add_done_callback(lambda task: self._finished(operation, task))

    def _finished(self, operation: Operation, task: asyncio.Task[Status]) -> None:
        if self._tasks.pop(operation.id, None) is None or task.cancelled():
            return  # cancelled by us, or closing down
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
        # Some operations do not change the state (new keys) or delete the resource.
        if self._transitions.is_busy(operation.resource):
            self._transitions.move(operation.resource, State(status))

    def _save(self, operation: Operation, status: Status | None = None, error: Document | None = None) -> None:
        self._store.connection.execute(
            "INSERT OR REPLACE INTO operations (id, kind, resource, status, started, ended, error)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                operation.id,
                operation.kind,
                operation.resource,
                status or operation.status,
                operation.started,
                now() if status else None,
                json.dumps(error) if error else None,
            ),
        )

    def _select(self, condition: str, value: str) -> list[Operation]:
        query = f"SELECT id, kind, resource, status, started, ended, error FROM operations WHERE {condition}"  # noqa: S608
        return [
            Operation(row[0], row[1], row[2], Status(row[3]), row[4], row[5], json.loads(row[6]) if row[6] else None)
            for row in self._store.connection.execute(query, (value,))
        ]
