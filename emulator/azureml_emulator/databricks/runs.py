"""Runs and their tasks; they survive a restart."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from azureml_emulator.databricks import states
from azureml_emulator.databricks.clock import milliseconds
from azureml_emulator.databricks.documents import Documents
from azureml_emulator.databricks.states import State
from azureml_emulator.store import Document


def new_id() -> int:
    """Return a new id of a job or run: like the service's, larger than 32 bits."""
    return 10**14 + secrets.randbelow(9 * 10**14)


@dataclass(frozen=True)
class TaskRun:
    """One attempt at a task of a run.

    Attributes:
        id: Its own run id.
        key: The task's key.
        settings: The task as it was submitted.
        state: Its state.
        attempt: 0, then one more for each retry and repair.
        first_attempt: The first attempt of this repair: retries are counted from there.
        started: Start time in milliseconds; 0 before.
        ended: End time in milliseconds; 0 before.
        cluster_id: The cluster it runs on; empty for serverless.
    """

    id: int
    key: str
    settings: Document
    state: State = states.BLOCKED
    attempt: int = 0
    first_attempt: int = 0
    started: int = 0
    ended: int = 0
    cluster_id: str = ""


@dataclass(frozen=True)
class Run:
    """A run of a job, or a submitted one.

    Attributes:
        id: Its id.
        job_id: Its job; a submitted run has one that is in no list.
        kind: `JOB_RUN` or `SUBMIT_RUN`.
        name: Its name.
        settings: What was submitted, or the job's settings at its start.
        tasks: All attempts at its tasks.
        state: Its state.
        parameters: Values that replace the tasks' own, such as `python_params`.
        job_parameters: Values of the job's parameters.
        created: When it was submitted, in milliseconds.
        ended: End time in milliseconds; 0 before.
        repairs: Its repairs, as the API shows them.
    """

    id: int
    job_id: int
    kind: str
    name: str
    settings: Document
    tasks: tuple[TaskRun, ...]
    state: State = states.PENDING
    parameters: Document = field(default_factory=dict)
    job_parameters: Mapping[str, str] = field(default_factory=dict)
    created: int = field(default_factory=milliseconds)
    ended: int = 0
    repairs: tuple[Document, ...] = ()

    @property
    def latest(self) -> dict[str, TaskRun]:
        """The last attempt at each task, by its key."""
        return {task.key: task for task in self.tasks}


@dataclass(frozen=True)
class Output:
    """What a task left behind.

    Attributes:
        error: Its error in a line; empty for none.
        trace: The error's traceback.
        logs: The end of its stdout and stderr.
        logs_truncated: Whether the begin is missing.
        result: The value of `dbutils.notebook.exit`; None without.
        result_truncated: Whether its end is missing.
    """

    error: str = ""
    trace: str = ""
    logs: str = ""
    logs_truncated: bool = False
    result: str | None = None
    result_truncated: bool = False


class Runs:
    """All runs, in the emulator's database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._runs = Documents(connection, "run")
        self._outputs = Documents(connection, "output")
        self._parents = Documents(connection, "task-run")
        self._tokens = Documents(connection, "idempotency-token")

    def put(self, run: Run) -> Run:
        """Add or replace a run and return it."""
        before = self.get(run.id)
        known = {task.id for task in before.tasks} if before else set()
        for task in run.tasks:
            if task.id not in known:
                self._parents.put(task.id, {"run": run.id})
        self._change(run)
        return run

    def get(self, run_id: int) -> Run | None:
        """Return a run, or None."""
        document = self._runs.get(run_id)
        return None if document is None else _read(document)

    def find_task(self, run_id: int) -> tuple[Run, TaskRun] | None:
        """Return a task by its run id, with its run; None if there is none."""
        parent = self._parents.get(run_id)
        run = self.get(parent["run"]) if parent else None
        return None if run is None else (run, next(task for task in run.tasks if task.id == run_id))

    def all(self) -> list[Run]:
        """List all runs, the newest first."""
        return [_read(document) for document in reversed(self._runs.items().values())]

    def active(self, job_id: int | None = None) -> list[Run]:
        """List the runs that have not ended, of one job or all, the newest first."""
        return [run for run in self.all() if not run.state.has_ended and job_id in (None, run.job_id)]

    def advance(self, run_id: int, state: State) -> None:
        """Set a run's state, unless it has ended."""
        run = self.get(run_id)
        if run is not None and run.state.may_become(state):
            self._change(replace(run, state=state, ended=milliseconds() if state.has_ended else 0))

    def add_task(self, run_id: int, task: TaskRun) -> TaskRun:
        """Add another attempt at a task to a run, if it exists, and return it."""
        run = self.get(run_id)
        if run is not None:
            self.put(replace(run, tasks=(*run.tasks, task)))
        return task

    def change_task(self, task_id: int, **changes: Any) -> None:
        """Change fields of a task, if it exists."""
        found = self.find_task(task_id)
        if found is not None:
            run, _ = found
            tasks = tuple(replace(task, **changes) if task.id == task_id else task for task in run.tasks)
            self._change(replace(run, tasks=tasks))

    def advance_task(self, task_id: int, state: State) -> None:
        """Set a task's state and the times that follow from it, unless it has ended."""
        found = self.find_task(task_id)
        if found is None or not found[1].state.may_become(state):
            return
        _, task = found
        started = task.started or (0 if state.life_cycle in ("BLOCKED", "QUEUED") else milliseconds())
        self.change_task(task_id, state=state, started=started, ended=milliseconds() if state.has_ended else 0)

    def end(self, run_id: int, state: State) -> None:
        """End a run and those of its tasks that have not ended."""
        run = self.get(run_id)
        for task in run.tasks if run else ():
            self.advance_task(task.id, state)
        self.advance(run_id, state)

    def delete(self, run_id: int) -> None:
        """Delete a run with its outputs; its idempotency token stays reserved."""
        run = self.get(run_id)
        for task in run.tasks if run else ():
            self._parents.delete(task.id)
            self._outputs.delete(task.id)
        self._runs.delete(run_id)

    def output(self, task_id: int) -> Output:
        """Return what a task left behind so far."""
        return Output(**self._outputs.get(task_id) or {})

    def put_output(self, task_id: int, output: Output) -> None:
        """Keep what a task left behind, unless its run was deleted."""
        if self._parents.get(task_id):
            self._outputs.put(task_id, asdict(output))

    def token_owner(self, token: str) -> int | None:
        """Return the id of the run that was submitted with an idempotency token, deleted ones included."""
        found = self._tokens.get(token)
        return found["run"] if found else None

    def reserve_token(self, token: str, run_id: int) -> None:
        """Let an idempotency token stand for a run from now on."""
        self._tokens.put(token, {"run": run_id})

    def _change(self, run: Run) -> None:
        # Not asdict, which copies every task's settings each time.
        tasks = [{**vars(task), "state": vars(task.state)} for task in run.tasks]
        self._runs.put(run.id, {**vars(run), "state": vars(run.state), "tasks": tasks})

    def clear(self) -> None:
        """Delete all runs, outputs and idempotency tokens."""
        for documents in (self._runs, self._outputs, self._parents, self._tokens):
            documents.clear()


def _read(document: Document) -> Run:
    tasks = tuple(TaskRun(**{**task, "state": State(**task["state"])}) for task in document["tasks"])
    state = State(**document["state"])
    return Run(**{**document, "tasks": tasks, "state": state, "repairs": tuple(document["repairs"])})
