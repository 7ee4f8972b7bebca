"""Experiments, and the params, metrics and datasets of runs.

The runs themselves are those of the run history, in jobs/runs.py.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from azureml_emulator.jobs.runs import experiment_id
from azureml_emulator.store import Document
from azureml_emulator.tracking.errors import already_exists, does_not_exist, invalid

SCHEMA = """
CREATE TABLE IF NOT EXISTS experiments (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    document TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS run_params (
    run TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, name)
);
CREATE TABLE IF NOT EXISTS run_metrics (
    sequence INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    name TEXT NOT NULL,
    value REAL,
    timestamp INTEGER NOT NULL,
    step INTEGER NOT NULL
);
-- A client that repeats a request logs nothing twice. NaN is NULL in SQLite.
CREATE UNIQUE INDEX IF NOT EXISTS run_metrics_once ON run_metrics (run, name, step, timestamp, ifnull(value, 'NaN'));
CREATE TABLE IF NOT EXISTS run_inputs (
    run TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (run, document)
);
"""
DEFAULT_EXPERIMENT = "Default"
"""Experiment of runs that name none; MLflow clients use the id `0`."""


@dataclass(frozen=True)
class Experiment:
    """A named group of runs.

    Attributes:
        id: Its id, derived from workspace and name.
        name: Its name.
        created: Creation time in milliseconds.
        updated: Time of the last change in milliseconds.
        deleted: Whether it is deleted.
        tags: The user's tags.
    """

    id: str
    name: str
    created: int
    updated: int
    deleted: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """One value of a metric.

    Attributes:
        name: The metric's name.
        value: The value; can be NaN or infinite.
        timestamp: Time in milliseconds.
        step: The training step.
    """

    name: str
    value: float
    timestamp: int
    step: int


class Records:
    """Experiments, params, metrics and datasets, in the emulator's database."""

    def __init__(self, connection: sqlite3.Connection, workspace_id: str) -> None:
        self._connection = connection
        self._workspace_id = workspace_id
        connection.executescript(SCHEMA)

    def clear(self) -> None:
        """Delete all experiments and everything runs logged."""
        for table in ("experiments", "run_params", "run_metrics", "run_inputs"):
            self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own words

    def create_experiment(self, name: str, tags: Mapping[str, str]) -> Experiment:
        """Create an experiment.

        Raises:
            MlflowError: 400, if the name exists.
        """
        if self.experiment_named(name):
            raise already_exists(f"The experiment {name!r}")
        return self._put(self._new(name, tags))

    def ensure_experiment(self, name: str) -> Experiment:
        """Return an experiment by name; create it if it is missing."""
        return self.experiment_named(name) or self._put(self._new(name, {}))

    def experiment_named(self, name: str) -> Experiment | None:
        """Return an experiment by name, or None."""
        return self._find("name", name)

    def experiment(self, experiment_id: str) -> Experiment:
        """Return an experiment by id.

        Raises:
            MlflowError: 404, if it does not exist.
        """
        if experiment_id == "0":
            return self.ensure_experiment(DEFAULT_EXPERIMENT)
        found = self._find("id", experiment_id)
        if found is None:
            raise does_not_exist(f"The experiment {experiment_id!r}")
        return found

    def experiments(self) -> list[Experiment]:
        """List all experiments, deleted ones included."""
        self._create_named_by_jobs()
        return [_experiment(row[0]) for row in self._connection.execute("SELECT document FROM experiments")]

    def change_experiment(self, experiment_id: str, **changes: object) -> None:
        """Change fields of an experiment.

        Raises:
            MlflowError: 404, if it does not exist.
        """
        self._put(replace(self.experiment(experiment_id), **changes, updated=milliseconds()))  # type: ignore[arg-type]

    def params(self, run: str) -> dict[str, str]:
        """Return a run's params by name."""
        return dict(self._connection.execute("SELECT name, value FROM run_params WHERE run = ? ORDER BY name", (run,)))

    def log_params(self, run: str, params: Mapping[str, str]) -> None:
        """Add params to a run; a param never changes.

        Raises:
            MlflowError: 400, if one has another value already.
        """
        before = self.params(run)
        for name, value in params.items():
            if before.get(name, value) != value:
                raise invalid(
                    f"The parameter {name!r} of run {run} is {before[name]!r} and cannot be changed to {value!r}."
                )
        self._connection.executemany(
            "INSERT OR IGNORE INTO run_params VALUES (?, ?, ?)", [(run, *param) for param in params.items()]
        )

    def latest_metrics(self, run: str) -> list[Metric]:
        """List each metric's last value: highest step, then timestamp, then value."""
        return self._metrics(
            "SELECT name, value, timestamp, step FROM (SELECT *, row_number() OVER (PARTITION BY name"
            " ORDER BY step DESC, timestamp DESC, value DESC) AS place FROM run_metrics WHERE run = ?)"
            " WHERE place = 1 ORDER BY name",
            run,
        )

    def metric_history(self, run: str, name: str) -> list[Metric]:
        """List all values of one metric, in the order they were logged."""
        return self._metrics(
            "SELECT name, value, timestamp, step FROM run_metrics WHERE run = ? AND name = ? ORDER BY sequence",
            run,
            name,
        )

    def log_metrics(self, run: str, metrics: Iterable[Metric]) -> None:
        """Add metric values to a run."""
        # One transaction instead of one per value.
        self._connection.execute("BEGIN")
        with self._connection:
            self._connection.executemany(
                "INSERT OR IGNORE INTO run_metrics (run, name, value, timestamp, step) VALUES (?, ?, ?, ?, ?)",
                [
                    (
                        run,
                        metric.name,
                        None if math.isnan(metric.value) else metric.value,
                        metric.timestamp,
                        metric.step,
                    )
                    for metric in metrics
                ],
            )

    def inputs(self, run: str) -> list[Document]:
        """List a run's input datasets in MLflow's form."""
        rows = self._connection.execute("SELECT document FROM run_inputs WHERE run = ? ORDER BY rowid", (run,))
        return [json.loads(row[0]) for row in rows]

    def log_inputs(self, run: str, datasets: Iterable[Document]) -> None:
        """Add input datasets, in MLflow's form, to a run."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO run_inputs VALUES (?, ?)",
            [(run, json.dumps(dataset, sort_keys=True)) for dataset in datasets],
        )

    def _metrics(self, query: str, *values: str) -> list[Metric]:
        return [
            Metric(name, math.nan if value is None else value, timestamp, step)
            for name, value, timestamp, step in self._connection.execute(query, values)
        ]

    def _find(self, column: str, value: str) -> Experiment | None:
        query = f"SELECT document FROM experiments WHERE {column} = ?"  # noqa: S608 - our own words
        row = self._connection.execute(query, (value,)).fetchone()
        if row is None and self._create_named_by_jobs():
            row = self._connection.execute(query, (value,)).fetchone()
        return None if row is None else _experiment(row[0])

    def _create_named_by_jobs(self) -> bool:
        """Create the experiments that jobs named; return whether there were any."""
        named = self._connection.execute(
            "SELECT DISTINCT json_extract(document, '$.experiment') FROM runs"
            " WHERE json_extract(document, '$.experiment') COLLATE NOCASE NOT IN (SELECT name FROM experiments)"
        ).fetchall()
        for (name,) in named:
            self._put(self._new(name, {}))
        return bool(named)

    def _new(self, name: str, tags: Mapping[str, str]) -> Experiment:
        moment = milliseconds()
        return Experiment(experiment_id(self._workspace_id, name), name, moment, moment, tags=tags)

    def _put(self, experiment: Experiment) -> Experiment:
        document = json.dumps({**experiment.__dict__, "tags": dict(experiment.tags)})
        self._connection.execute(
            "INSERT OR REPLACE INTO experiments VALUES (?, ?, ?)", (experiment.id, experiment.name, document)
        )
        return experiment


def milliseconds() -> int:
    """Return the current time as MLflow writes it."""
    return time.time_ns() // 1_000_000


def _experiment(document: str) -> Experiment:
    return Experiment(**json.loads(document))
