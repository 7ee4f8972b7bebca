"""MLflow's runs: they share the run history with the runs of jobs."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.arm.resources import now
from azureml_emulator.context import Context, context_of
from azureml_emulator.jobs.runs import MLFLOW, Run, Status
from azureml_emulator.store import Document
from azureml_emulator.tracking import fields, filters
from azureml_emulator.tracking.entities import (
    NAME_TAG,
    RUN_ATTRIBUTES,
    STATUSES,
    USER_TAG,
    as_moment,
    searchable,
    show_metric,
    show_run,
)
from azureml_emulator.tracking.errors import does_not_exist, invalid
from azureml_emulator.tracking.records import Metric, milliseconds

PAGE_SIZE = 1000
HISTORY_SIZE = 25_000
MAX_MOMENT = 253_402_300_799_999
"""The last millisecond of the year 9999."""
BEGIN, END = "start_time", "end_time"
CHANGES = {**{shown: status for status, shown in STATUSES.items()}, "RUNNING": Status.RUNNING}
CHANGES["SCHEDULED"] = Status.NOT_STARTED


async def create(request: Request) -> Response:
    """Create a run."""
    context = context_of(request)
    asked = await fields.read(request)
    tags = fields.labels(asked, "tags")
    experiment = context.records.experiment(fields.optional_text(asked, "experiment_id") or "0")
    if experiment.deleted:
        raise invalid(f"The experiment {experiment.name!r} is deleted; restore it first.")
    name = fields.optional_text(asked, "run_name") or tags.get(NAME_TAG)
    user = fields.optional_text(asked, "user_id")
    run = Run(
        str(uuid.uuid4()),
        MLFLOW,
        experiment.name,
        display_name=name,
        status=Status.RUNNING,
        started=_moment(asked, BEGIN),
        tags={**({USER_TAG: user} if user else {}), **tags},
    )
    context.runs.put(run)
    return _show(context, run.id)


async def get(request: Request) -> Response:
    """Get a run with all that was logged."""
    return _show(context_of(request), _run_id(await fields.read(request)))


async def update(request: Request) -> Response:
    """Change a run's status, end or name."""
    context = context_of(request)
    asked = await fields.read(request)
    run = _find(context, asked)
    changes: Document = {}
    if status := fields.optional_text(asked, "status"):
        if status not in CHANGES:
            raise invalid(f"'status' must be {', '.join(CHANGES)}, not {status!r}.")
        # Only the job runner sets the status of jobs.
        if run.kind == MLFLOW:
            changes["status"] = CHANGES[status]
    if run.kind == MLFLOW and asked.get(END):
        changes["ended"] = _moment(asked, END)
    if name := fields.optional_text(asked, "run_name"):
        changes["display_name"] = name
        changes["tags"] = {**run.tags, NAME_TAG: name}
    context.runs.change(run.id, **changes)
    return JSONResponse({"run_info": _shown(context, run.id)["info"]})


async def delete(request: Request) -> Response:
    """Delete a run; it can be restored."""
    return await _hide(request, hidden=True)


async def restore(request: Request) -> Response:
    """Restore a deleted run."""
    return await _hide(request, hidden=False)


async def search(request: Request) -> Response:
    """Search runs by experiments, filter, order and view; paged."""
    context = context_of(request)
    asked = await fields.read(request)
    clauses = filters.parse_filter(fields.optional_text(asked, "filter") or "", RUN_ATTRIBUTES)
    shown = fields.view(asked, "run_view_type")
    wanted = {context.records.experiment(each).name.lower() for each in fields.texts(asked, "experiment_ids")}
    runs = {run.id: run for run in context.runs.all() if run.experiment.lower() in wanted and run.hidden in shown}
    records = [searchable(context, run) for run in runs.values()]
    found = filters.sort(
        [record for record in records if filters.matches(clauses, record)],
        fields.texts(asked, "order_by"),
        RUN_ATTRIBUTES,
        ["start_time DESC", "run_id ASC"],
    )
    items, token = fields.page(asked, found, PAGE_SIZE)
    return JSONResponse({"runs": [show_run(context, runs[item["attributes"]["run_id"]]) for item in items], **token})


async def log_metric(request: Request) -> Response:
    """Log one value of a metric."""
    return await _log(request, lambda asked: {"metrics": [asked]})


async def log_param(request: Request) -> Response:
    """Log one parameter."""
    return await _log(request, lambda asked: {"params": [asked]})


async def set_tag(request: Request) -> Response:
    """Set one tag."""
    return await _log(request, lambda asked: {"tags": [asked]})


async def log_batch(request: Request) -> Response:
    """Log metrics, parameters and tags."""
    return await _log(request, lambda asked: asked)


async def run_data_status(request: Request) -> Response:
    """Return whether an asynchronous batch was logged: always."""
    _find(context_of(request), await fields.read(request))
    return JSONResponse({"is_complete": True})


async def delete_tag(request: Request) -> Response:
    """Remove a tag."""
    context = context_of(request)
    asked = await fields.read(request)
    run = _find(context, asked)
    key = fields.text(asked, "key")
    if key not in run.tags:
        raise does_not_exist(f"The tag {key!r} of run {run.id}")
    context.runs.change(run.id, tags={name: value for name, value in run.tags.items() if name != key})
    return JSONResponse({})


async def log_inputs(request: Request) -> Response:
    """Log which datasets a run uses."""
    context = context_of(request)
    asked = await fields.read(request)
    context.records.log_inputs(_find(context, asked).id, fields.objects(asked, "datasets"))
    return JSONResponse({})


async def metric_history(request: Request) -> Response:
    """List all values of one metric."""
    context = context_of(request)
    asked = await fields.read(request)
    history = context.records.metric_history(_find(context, asked).id, fields.text(asked, "metric_key"))
    metrics, token = fields.page(asked, history, HISTORY_SIZE)
    return JSONResponse({"metrics": [show_metric(metric) for metric in metrics], **token})


async def refuse_logged_models(_request: Request) -> Response:
    """Answer 404 like the service: MLflow 2.17 and later ask for logged models."""
    return Response(status_code=404)


async def _log(request: Request, batch: Callable[[Document], Document]) -> Response:
    context = context_of(request)
    asked = await fields.read(request)
    run = _find(context, asked)
    logged = batch(asked)
    metrics = [
        Metric(
            fields.text(metric, "key"),
            fields.number(metric, "value"),
            fields.integer(metric, "timestamp", milliseconds()),
            fields.integer(metric, "step", 0),
        )
        for metric in fields.objects(logged, "metrics")
    ]
    params, tags = fields.labels(logged, "params"), fields.labels(logged, "tags")
    context.records.log_params(run.id, params)
    context.records.log_metrics(run.id, metrics)
    if tags:
        names = {"display_name": tags[NAME_TAG]} if NAME_TAG in tags else {}
        context.runs.change(run.id, tags={**run.tags, **tags}, **names)
    return JSONResponse({})


async def _hide(request: Request, *, hidden: bool) -> Response:
    context = context_of(request)
    context.runs.change(_find(context, await fields.read(request)).id, hidden=hidden)
    return JSONResponse({})


def _run_id(asked: Document) -> str:
    return fields.text({"run_id": asked.get("run_id") or asked.get("run_uuid")}, "run_id")


def _find(context: Context, asked: Document) -> Run:
    run = context.runs.get(_run_id(asked))
    if run is None:
        raise does_not_exist(f"The run {_run_id(asked)!r}")
    return run


def _moment(asked: Document, name: str) -> str:
    when = fields.integer(asked, name, 0)
    if not 0 <= when <= MAX_MOMENT:
        raise invalid(f"{name!r} must be milliseconds since 1970, not {when}.")
    return as_moment(when) if when else now()


def _shown(context: Context, run_id: str) -> Document:
    return show_run(context, _find(context, {"run_id": run_id}))


def _show(context: Context, run_id: str) -> Response:
    return JSONResponse({"run": _shown(context, run_id)})


preview_routes: list[BaseRoute] = [
    Route("/runs/log-batch-async", log_batch, methods=["POST"]),
    Route("/runs/get-run-data-status", run_data_status),
]
"""Routes that only Azure ML's MLflow plugin uses."""
routes: list[BaseRoute] = [
    Route("/runs/create", create, methods=["POST"]),
    Route("/runs/get", get),
    Route("/runs/update", update, methods=["POST"]),
    Route("/runs/delete", delete, methods=["POST"]),
    Route("/runs/restore", restore, methods=["POST"]),
    Route("/runs/search", search, methods=["POST"]),
    Route("/runs/log-metric", log_metric, methods=["POST"]),
    Route("/runs/log-parameter", log_param, methods=["POST"]),
    Route("/runs/set-tag", set_tag, methods=["POST"]),
    Route("/runs/delete-tag", delete_tag, methods=["POST"]),
    Route("/runs/log-batch", log_batch, methods=["POST"]),
    Route("/runs/log-inputs", log_inputs, methods=["POST"]),
    Route("/metrics/get-history", metric_history),
    Route("/logged-models", refuse_logged_models, methods=["POST"]),
    Route("/logged-models/{below:path}", refuse_logged_models, methods=["GET", "POST", "PATCH", "DELETE"]),
]
