"""Runs: what became of each job and of each node of a pipeline. They survive a restart."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from azureml_emulator.arm.resources import now
from azureml_emulator.storage.blobs import ARTIFACT_STORE
from azureml_emulator.store import Document

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    parent TEXT,
    ended INTEGER NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS runs_by_parent ON runs (parent);
CREATE INDEX IF NOT EXISTS runs_by_end ON runs (ended);
"""


MLFLOW = "MLflow"
"""The kind of a run that no job made: it ends when its client says so."""


class Status(StrEnum):
    """Where a run is, in the words of the run history."""

    NOT_STARTED = "NotStarted"
    QUEUED = "Queued"
    PREPARING = "Preparing"
    STARTING = "Starting"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"


ENDED = (Status.COMPLETED, Status.FAILED, Status.CANCELED)


@dataclass(frozen=True)
class Run:
    """What became of a job, or of a pipeline's node.

    Attributes:
        id: The job's name; of a node, a random one.
        kind: `Command` or `Pipeline`; `MLflow` of one that a client made to log to.
        experiment: The experiment's name.
        parent: The pipeline's run that it belongs to.
        root: The job it belongs to; its own id where it has no parent.
        display_name: What people see.
        description: What it is for.
        compute: Where it runs; None is serverless.
        status: Where it is.
        created: When it was asked for, as ARM writes times.
        started: When its command, or the first node, began.
        ended: When it ended.
        error: The error that ended it, in ARM's shape.
        hidden: Whether it is archived.
        tags: The user's.
        properties: What the service and the run itself wrote down.
        outputs: The named outputs that are there: `uri` and `type` of each.
    """

    id: str
    kind: str
    experiment: str
    parent: str | None = None
    root: str = ""
    display_name: str | None = None
    description: str | None = None
    compute: str | None = None
    status: Status = Status.NOT_STARTED
    created: str = field(default_factory=now)
    started: str | None = None
    ended: str | None = None
    error: Document | None = None
    hidden: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Document] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ENDED

    def artifact(self, path: str = "") -> str:
        """The URI of an artifact of this run, such as a log; without a path, of the folder of all of them."""
        return f"azureml://datastores/{ARTIFACT_STORE}/paths/ExperimentRun/dcid.{self.id}/{path}"


def experiment_id(workspace_id: str, experiment: str) -> str:
    """Name an experiment as the run history does.

    Args:
        workspace_id: ARM id of its workspace.
        experiment: Its name.

    Returns:
        The same id for the same name, always.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{workspace_id.lower()}/experiments/{experiment.lower()}"))


class Runs:
    """All runs, in the emulator's database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(SCHEMA)

    def put(self, run: Run) -> Run:
        """Add or replace a run.

        Args:
            run: The run.

        Returns:
            The same run.
        """
        self._connection.execute(
            "INSERT INTO runs (id, parent, ended, document) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, document = excluded.document",
            (run.id, run.parent, run.has_ended, json.dumps(asdict(run))),
        )
        return run

    def get(self, run_id: str) -> Run | None:
        """Look a run up.

        Args:
            run_id: Its id.

        Returns:
            The run, or None.
        """
        return next(iter(self._select("id = ?", run_id)), None)

    def all(self) -> list[Run]:
        """List all runs, in the order they were created."""
        return self._select("sequence > ?", 0)

    def children(self, run_id: str) -> list[Run]:
        """List the nodes of a pipeline's run.

        Args:
            run_id: The pipeline's run.

        Returns:
            Their runs, in the order they were created.
        """
        return self._select("parent = ?", run_id)

    def unfinished(self) -> list[Run]:
        """List all runs of jobs that have not ended, in the order they were created."""
        return [run for run in self._select("ended = ?", 0) if run.kind != MLFLOW]

    def change(self, run_id: str, **changes: Any) -> Run | None:
        """Change some fields of a run.

        Args:
            run_id: Its id.
            changes: The new values.

        Returns:
            The run as it is now, or None if it is gone.
        """
        run = self.get(run_id)
        return None if run is None else self.put(replace(run, **changes))

    def advance(self, run_id: str, status: Status) -> None:
        """Say that a run is a step further, unless somebody wants it to end or it has ended.

        Args:
            run_id: Its id.
            status: Where it is now.
        """
        run = self.get(run_id)
        if run is None or run.has_ended or run.status is Status.CANCEL_REQUESTED:
            return
        started = now() if status is Status.RUNNING and run.started is None else run.started
        self.put(replace(run, status=status, started=started))

    def end(self, run_id: str, status: Status, error: Document | None = None, **changes: Any) -> None:
        """Say how a run ended; an end is for ever.

        Args:
            run_id: Its id.
            status: One of `ENDED`.
            error: What ended it.
            changes: More fields to set.
        """
        run = self.get(run_id)
        if run is not None and not run.has_ended:
            self.put(replace(run, status=status, ended=now(), error=error, **changes))

    def end_tree(self, run_id: str, status: Status, error: Document | None = None) -> None:
        """End a run and all runs below it that have not ended.

        Args:
            run_id: The upmost run.
            status: One of `ENDED`.
            error: What ended them.
        """
        for child in self.children(run_id):
            self.end_tree(child.id, status, error)
        self.end(run_id, status, error)

    def delete_tree(self, run_id: str) -> None:
        """Forget a run and all runs below it.

        Args:
            run_id: The upmost run.
        """
        for child in self.children(run_id):
            self.delete_tree(child.id)
        self._connection.execute("DELETE FROM runs WHERE id = ?", (run_id,))

    def clear(self) -> None:
        """Forget all runs."""
        self._connection.execute("DELETE FROM runs")

    def _select(self, condition: str, value: object) -> list[Run]:
        query = f"SELECT document FROM runs WHERE {condition} ORDER BY sequence"  # noqa: S608 - our own words
        return [_read(json.loads(row[0])) for row in self._connection.execute(query, (value,))]


def _read(document: Document) -> Run:
    return Run(**{**document, "status": Status(document["status"])})
