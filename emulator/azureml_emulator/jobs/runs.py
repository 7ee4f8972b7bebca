"""Runs of jobs and pipeline nodes; they survive a restart."""

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
"""The kind of a run that a client created and ends."""


class Status(StrEnum):
    """The status of a run, as the run history names it."""

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
    """A run of a job or of a pipeline node.

    Attributes:
        id: The job's name; random for a node.
        kind: `Command` or `Pipeline`; `MLflow` for one that a client created.
        experiment: The experiment's name.
        parent: The id of the pipeline's run.
        root: The id of the job's run; its own without a parent.
        display_name: Its display name.
        description: Its description.
        compute: Its compute; None for serverless.
        status: Its status.
        created: Creation time, as ARM writes it.
        started: When its command or first node started.
        ended: When it ended.
        error: The error that ended it, in ARM's form.
        hidden: Whether it is archived.
        tags: The user's tags.
        properties: Properties set by the service and the run itself.
        outputs: `uri` and `type` of each output that exists.
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
        """Whether its status is final."""
        return self.status in ENDED

    def artifact(self, path: str = "") -> str:
        """Return the URI of an artifact, such as a log; without a path, of their folder."""
        return f"azureml://datastores/{ARTIFACT_STORE}/paths/ExperimentRun/dcid.{self.id}/{path}"


def experiment_id(workspace_id: str, experiment: str) -> str:
    """Return the id of an experiment; it depends on workspace and name only."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{workspace_id.lower()}/experiments/{experiment.lower()}"))


class Runs:
    """All runs, in the emulator's database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(SCHEMA)

    def put(self, run: Run) -> Run:
        """Add or replace a run and return it."""
        self._connection.execute(
            "INSERT INTO runs (id, parent, ended, document) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET ended = excluded.ended, document = excluded.document",
            (run.id, run.parent, run.has_ended, json.dumps(asdict(run))),
        )
        return run

    def get(self, run_id: str) -> Run | None:
        """Return a run, or None."""
        return next(iter(self._select("id = ?", run_id)), None)

    def all(self) -> list[Run]:
        """List all runs, in creation order."""
        return self._select("sequence > ?", 0)

    def children(self, run_id: str) -> list[Run]:
        """List the node runs of a pipeline run, in creation order."""
        return self._select("parent = ?", run_id)

    def unfinished(self) -> list[Run]:
        """List all job runs that have not ended, in creation order."""
        return [run for run in self._select("ended = ?", 0) if run.kind != MLFLOW]

    def change(self, run_id: str, **changes: Any) -> Run | None:
        """Change fields of a run; return the changed run, or None if it is gone."""
        run = self.get(run_id)
        return None if run is None else self.put(replace(run, **changes))

    def advance(self, run_id: str, status: Status) -> None:
        """Set a run's status, unless it has ended or is being cancelled."""
        run = self.get(run_id)
        if run is None or run.has_ended or run.status is Status.CANCEL_REQUESTED:
            return
        started = now() if status is Status.RUNNING and run.started is None else run.started
        self.put(replace(run, status=status, started=started))

    def end(self, run_id: str, status: Status, error: Document | None = None, **changes: Any) -> None:
        """Set a run's final status, unless it has one.

        Args:
            run_id: The run's id.
            status: One of `ENDED`.
            error: The error that ended it.
            changes: More fields to set.
        """
        run = self.get(run_id)
        if run is not None and not run.has_ended:
            self.put(replace(run, status=status, ended=now(), error=error, **changes))

    def end_tree(self, run_id: str, status: Status, error: Document | None = None) -> None:
        """End a run and all unfinished runs below it; see `end`."""
        for child in self.children(run_id):
            self.end_tree(child.id, status, error)
        self.end(run_id, status, error)

    def delete_tree(self, run_id: str) -> None:
        """Delete a run and all runs below it."""
        for child in self.children(run_id):
            self.delete_tree(child.id)
        self._connection.execute("DELETE FROM runs WHERE id = ?", (run_id,))

    def clear(self) -> None:
        """Delete all runs."""
        self._connection.execute("DELETE FROM runs")

    def _select(self, condition: str, value: object) -> list[Run]:
        query = f"SELECT document FROM runs WHERE {condition} ORDER BY sequence"  # noqa: S608 - our own words
        return [_read(json.loads(row[0])) for row in self._connection.execute(query, (value,))]


def _read(document: Document) -> Run:
    return Run(**{**document, "status": Status(document["status"])})
