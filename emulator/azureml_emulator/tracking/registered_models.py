"""MLflow's registered models."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.arm.resources import new_resource
from azureml_emulator.context import context_of
from azureml_emulator.control_plane.assets import NAME_PATTERN, NAME_RULE, NEW_CONTAINER
from azureml_emulator.store import Document
from azureml_emulator.tracking import fields, filters
from azureml_emulator.tracking.entities import as_milliseconds
from azureml_emulator.tracking.errors import already_exists, does_not_exist, invalid
from azureml_emulator.tracking.registry import (
    change,
    find_model,
    latest_versions,
    model_id,
    show_model,
    show_version,
    stage_of,
)

ATTRIBUTES = {"name": str, "timestamp": int, "last_updated_timestamp": int}
PAGE_SIZE = 100


async def create(request: Request) -> Response:
    """Create a model without versions."""
    context = context_of(request)
    asked = await fields.read(request)
    name = fields.text(asked, "name")
    if not re.fullmatch(NAME_PATTERN, name):
        raise invalid(f"{name!r} is not a valid name for a model: {NAME_RULE}.")
    if context.store.get(model_id(context, name)):
        raise already_exists(f"The model {name!r}")
    properties = {
        "description": fields.optional_text(asked, "description"),
        "tags": fields.labels(asked, "tags"),
        "properties": {},
        **NEW_CONTAINER,
    }
    context.store.put(new_resource(model_id(context, name), properties))
    return _show(request, asked)


async def get(request: Request) -> Response:
    """Get a model with its newest versions."""
    return _show(request, await fields.read(request))


async def update(request: Request) -> Response:
    """Change a model's description."""
    context = context_of(request)
    asked = await fields.read(request)
    change(context, find_model(context, asked), description=fields.optional_text(asked, "description"))
    return _show(request, asked)


async def delete(request: Request) -> Response:
    """Delete a model with all its versions."""
    context = context_of(request)
    context.store.delete(find_model(context, await fields.read(request))["id"])
    return JSONResponse({})


async def search(request: Request) -> Response:
    """Search models by filter and order; paged."""
    context = context_of(request)
    asked = await fields.read(request)
    clauses = filters.parse_filter(fields.optional_text(asked, "filter") or "", ATTRIBUTES)
    models = {
        model["name"]: model for model in context.store.list_collection(f"{context.settings.workspace_id}/models")
    }
    found = filters.sort(
        [record for record in map(_searchable, models.values()) if filters.matches(clauses, record)],
        fields.texts(asked, "order_by"),
        ATTRIBUTES,
        ["name ASC"],
    )
    items, token = fields.page(asked, found, PAGE_SIZE)
    shown = [show_model(context, models[record["attributes"]["name"]]) for record in items]
    return JSONResponse({"registered_models": shown, **token})


async def set_tag(request: Request) -> Response:
    """Set a tag of a model."""
    context = context_of(request)
    asked = await fields.read(request)
    model = find_model(context, asked)
    tag = {fields.text(asked, "key"): fields.optional_text(asked, "value") or ""}
    change(context, model, tags={**model["properties"]["tags"], **tag})
    return JSONResponse({})


async def delete_tag(request: Request) -> Response:
    """Remove a tag of a model."""
    context = context_of(request)
    asked = await fields.read(request)
    model = find_model(context, asked)
    tags = dict(model["properties"]["tags"])
    if tags.pop(fields.text(asked, "key"), None) is None:
        raise does_not_exist(f"The tag {asked['key']!r} of the model {model['name']!r}")
    change(context, model, tags=tags)
    return JSONResponse({})


async def get_latest_versions(request: Request) -> Response:
    """List the newest version of each stage."""
    context = context_of(request)
    asked = await fields.read(request)
    wanted = fields.texts(asked, "stages")
    versions = latest_versions(context, find_model(context, asked))
    shown = [show_version(context, version) for version in versions if not wanted or stage_of(version) in wanted]
    return JSONResponse({"model_versions": shown})


def _searchable(model: Document) -> dict[str, Document]:
    attributes = {
        "name": model["name"],
        "timestamp": as_milliseconds(model["systemData"]["createdAt"]),
        "last_updated_timestamp": as_milliseconds(model["systemData"]["lastModifiedAt"]),
    }
    return {"metrics": {}, "params": {}, "tags": model["properties"]["tags"], "attributes": attributes}


def _show(request: Request, asked: Document) -> Response:
    context = context_of(request)
    return JSONResponse({"registered_model": show_model(context, find_model(context, asked))})


routes: list[BaseRoute] = [
    Route("/registered-models/create", create, methods=["POST"]),
    Route("/registered-models/get", get, methods=["GET"]),
    Route("/registered-models/update", update, methods=["PATCH"]),
    Route("/registered-models/delete", delete, methods=["DELETE"]),
    Route("/registered-models/search", search, methods=["GET"]),
    Route("/registered-models/get-latest-versions", get_latest_versions, methods=["GET", "POST"]),
    Route("/registered-models/set-tag", set_tag, methods=["POST"]),
    Route("/registered-models/delete-tag", delete_tag, methods=["DELETE"]),
]
