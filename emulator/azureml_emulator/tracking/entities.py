"""Experiments, runs and metrics in MLflow's form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from azureml_emulator.context import Context
from azureml_emulator.jobs.runs import Run, Status, experiment_id
from azureml_emulator.settings import Settings
from azureml_emulator.store import Document
from azureml_emulator.tracking.records import Experiment, Metric

RUNNING, SCHEDULED = "RUNNING", "SCHEDULED"
STATUSES = {
    Status.NOT_STARTED: SCHEDULED,
    Status.QUEUED: SCHEDULED,
    Status.COMPLETED: "FINISHED",
    Status.FAILED: "FAILED",
    Status.CANCELED: "KILLED",
}
"""All others are RUNNING."""
RUN_ATTRIBUTES = {
    "run_id": str,
    "run_name": str,
    "experiment_id": str,
    "user_id": str,
    "status": str,
    "artifact_uri": str,
    "lifecycle_stage": str,
    "start_time": int,
    "end_time": int,
}
NAME_TAG, USER_TAG = "mlflow.runName", "mlflow.user"


def show_experiment(experiment: Experiment, settings: Settings) -> Document:
    """Return an experiment in MLflow's form."""
    return {
        "experiment_id": experiment.id,
        "name": experiment.name,
        "artifact_location": f"{_experiment_uri(settings, experiment.id)}/artifacts",
        "lifecycle_stage": _stage(experiment.deleted),
        "creation_time": experiment.created,
        "last_update_time": experiment.updated,
        "tags": show_labels(experiment.tags),
    }


def show_run(context: Context, run: Run) -> Document:
    """Return a run with all that was logged, in MLflow's form."""
    return {
        "info": {**_info(context, run), "run_uuid": run.id},
        "data": {
            "metrics": [show_metric(metric) for metric in context.records.latest_metrics(run.id)],
            "params": show_labels(context.records.params(run.id)),
            "tags": show_labels(_tags(run)),
        },
        "inputs": {"dataset_inputs": context.records.inputs(run.id)},
    }


def searchable(context: Context, run: Run) -> dict[str, Document]:
    """Return the metrics, params, tags and attributes that a run is searched by."""
    return {
        "metrics": {metric.name: metric.value for metric in context.records.latest_metrics(run.id)},
        "params": dict(context.records.params(run.id)),
        "tags": dict(_tags(run)),
        "attributes": _info(context, run),
    }


def run_uri(settings: Settings, run: Run) -> str:
    """Return the address of a run's artifacts for the MLflow plugin."""
    experiment = experiment_id(settings.workspace_id, run.experiment)
    return f"{_experiment_uri(settings, experiment)}/runs/{run.id}/artifacts"


def show_metric(metric: Metric) -> Document:
    """Return a metric value in MLflow's form; NaN and infinities are strings."""
    value = metric.value if math.isfinite(metric.value) else _not_finite(metric.value)
    return {"key": metric.name, "value": value, "timestamp": metric.timestamp, "step": metric.step}


def show_labels(labels: Mapping[str, str]) -> list[Document]:
    """Return tags or params in MLflow's form."""
    return [{"key": key, "value": value} for key, value in labels.items()]


def as_milliseconds(moment: str | None) -> int | None:
    """Convert ARM's ISO 8601 time, or None, to MLflow's milliseconds since 1970."""
    return None if moment is None else round(datetime.fromisoformat(moment).timestamp() * 1000)


def as_moment(milliseconds: int) -> str:
    """Convert MLflow's milliseconds since 1970 to ARM's ISO 8601 time."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="microseconds")


def _info(context: Context, run: Run) -> Document:
    return {
        "run_id": run.id,
        "run_name": run.display_name or run.id,
        "experiment_id": context.records.ensure_experiment(run.experiment).id,
        "user_id": run.tags.get(USER_TAG, "azureml-emulator"),
        "status": STATUSES.get(run.status, RUNNING),
        "start_time": as_milliseconds(run.started or run.created),
        "end_time": as_milliseconds(run.ended),
        "artifact_uri": run_uri(context.settings, run),
        "lifecycle_stage": _stage(run.hidden),
    }


def _tags(run: Run) -> Document:
    return {NAME_TAG: run.display_name or run.id, **run.tags}


def _experiment_uri(settings: Settings, experiment: str) -> str:
    return f"azureml://{settings.api_host}/mlflow/v2.0{settings.workspace_id}/experiments/{experiment}"


def _stage(deleted: bool) -> str:
    return "deleted" if deleted else "active"


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
