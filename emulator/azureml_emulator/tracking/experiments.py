"""MLflow's experiments."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.context import context_of
from azureml_emulator.tracking import fields, filters
from azureml_emulator.tracking.entities import show_experiment
from azureml_emulator.tracking.errors import does_not_exist, invalid
from azureml_emulator.tracking.records import Experiment

NAME = re.compile(r"[a-zA-Z0-9][\w.-]{0,254}", re.ASCII)
NAME_RULE = "it begins with a letter or digit, and has letters, digits, '.', '_' and '-', at most 255"
ATTRIBUTES = {"name": str, "experiment_id": str, "creation_time": int, "last_update_time": int}
PAGE_SIZE = 1000


async def create(request: Request) -> Response:
    """Create an experiment."""
    asked = await fields.read(request)
    name = fields.text(asked, "name")
    if not NAME.fullmatch(name):
        raise invalid(f"{name!r} is not a valid name for an experiment: {NAME_RULE}.")
    experiment = context_of(request).records.create_experiment(name, fields.labels(asked, "tags"))
    return JSONResponse({"experiment_id": experiment.id})


async def get(request: Request) -> Response:
    """Get an experiment by its id."""
    asked = await fields.read(request)
    return _show(request, context_of(request).records.experiment(fields.text(asked, "experiment_id")))


async def get_by_name(request: Request) -> Response:
    """Get an experiment by its name."""
    asked = await fields.read(request)
    name = fields.text(asked, "experiment_name")
    experiment = context_of(request).records.experiment_named(name)
    if experiment is None:
        raise does_not_exist(f"The experiment {name!r}")
    return _show(request, experiment)


async def search(request: Request) -> Response:
    """Search experiments by filter, order and view; paged."""
    asked = await fields.read(request)
    clauses = filters.parse_filter(fields.optional_text(asked, "filter") or "", ATTRIBUTES)
    shown = fields.view(asked, "view_type")
    records = [
        {"metrics": {}, "params": {}, "tags": experiment.tags, "attributes": _attributes(experiment)}
        for experiment in context_of(request).records.experiments()
        if experiment.deleted in shown
    ]
    found = filters.sort(
        [record for record in records if filters.matches(clauses, record)],
        fields.texts(asked, "order_by"),
        ATTRIBUTES,
        ["creation_time DESC", "experiment_id ASC"],
    )
    items, token = fields.page(asked, found, PAGE_SIZE)
    context = context_of(request)
    experiments = [context.records.experiment(record["attributes"]["experiment_id"]) for record in items]
    return JSONResponse(
        {"experiments": [show_experiment(experiment, context.settings) for experiment in experiments], **token}
    )


async def delete(request: Request) -> Response:
    """Delete an experiment; it can be restored."""
    return await _change(request, deleted=True)


async def restore(request: Request) -> Response:
    """Restore a deleted experiment."""
    return await _change(request, deleted=False)


async def set_tag(request: Request) -> Response:
    """Set a tag of an experiment."""
    asked = await fields.read(request)
    records = context_of(request).records
    experiment = records.experiment(fields.text(asked, "experiment_id"))
    tag = {fields.text(asked, "key"): fields.optional_text(asked, "value") or ""}
    records.change_experiment(experiment.id, tags={**experiment.tags, **tag})
    return JSONResponse({})


def _attributes(experiment: Experiment) -> dict[str, object]:
    return {
        "name": experiment.name,
        "experiment_id": experiment.id,
        "creation_time": experiment.created,
        "last_update_time": experiment.updated,
    }


async def _change(request: Request, **changes: object) -> Response:
    asked = await fields.read(request)
    context_of(request).records.change_experiment(fields.text(asked, "experiment_id"), **changes)
    return JSONResponse({})


def _show(request: Request, experiment: Experiment) -> Response:
    return JSONResponse({"experiment": show_experiment(experiment, context_of(request).settings)})


routes: list[BaseRoute] = [
    Route("/experiments/create", create, methods=["POST"]),
    Route("/experiments/get", get),
    Route("/experiments/get-by-name", get_by_name),
    Route("/experiments/search", search, methods=["GET", "POST"]),
    Route("/experiments/delete", delete, methods=["POST"]),
    Route("/experiments/restore", restore, methods=["POST"]),
    Route("/experiments/set-experiment-tag", set_tag, methods=["POST"]),
]
