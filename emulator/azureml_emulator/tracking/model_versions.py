"""MLflow's model versions."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from azureml_emulator.arm.resources import PROVIDER
from azureml_emulator.context import context_of
from azureml_emulator.control_plane.assets import remove_version
from azureml_emulator.control_plane.models import MODELS, new_version
from azureml_emulator.storage import asset_integrity
from azureml_emulator.store import Document
from azureml_emulator.tracking import fields, filters
from azureml_emulator.tracking.artifacts import RUNS, list_paths
from azureml_emulator.tracking.entities import as_milliseconds
from azureml_emulator.tracking.errors import MlflowError, does_not_exist, invalid
from azureml_emulator.tracking.registry import (
    RUN_CONTAINER,
    STAGES,
    artifact_uri,
    change,
    datastore_uri,
    find_model,
    find_version,
    locate,
    name_of,
    show_version,
    stage_of,
)

TYPE = f"{PROVIDER}/workspaces/models/versions"
ATTRIBUTES = {
    "name": str,
    "run_id": str,
    "version_number": int,
    "creation_timestamp": int,
    "last_updated_timestamp": int,
}
PAGE_SIZE = 100


async def create(request: Request) -> Response:
    """Register artifacts of a run or an upload as a model's next version."""
    context = context_of(request)
    asked = await fields.read(request)
    model = find_model(context, asked)
    place, path = locate(context, fields.text(asked, "source"))
    # The path can be a folder or a file.
    if not any(f"{name}/".startswith(f"{path}/" if path else "") for name in await list_paths(context, place)):
        raise invalid(f"No artifact at {asked['source']}.")
    run_of_source = place.container.removeprefix(RUN_CONTAINER) if place.origin == RUNS else None
    uri = datastore_uri(context, place, path)
    properties = new_version(
        uri,
        "mlflow_model",
        jobName=fields.optional_text(asked, "run_id") or run_of_source,
        description=fields.optional_text(asked, "description"),
        tags=fields.labels(asked, "tags"),
    )
    # Looked up again: another request may have registered a version meanwhile.
    number = find_model(context, asked)["properties"]["nextVersion"]
    version = MODELS.add_version(context.store, f"{model['id']}/versions/{number}", properties)
    await asset_integrity.record(context.store, context.blobs, version["id"], uri)
    return JSONResponse({"model_version": show_version(context, version)})


async def get(request: Request) -> Response:
    """Get a version."""
    return _show(request, await fields.read(request))


async def update(request: Request) -> Response:
    """Change a version's description."""
    context = context_of(request)
    asked = await fields.read(request)
    change(context, find_version(context, asked), description=fields.optional_text(asked, "description"))
    return _show(request, asked)


async def delete(request: Request) -> Response:
    """Delete a version."""
    context = context_of(request)
    remove_version(context.store, find_version(context, await fields.read(request))["id"])
    return JSONResponse({})


async def transition_stage(request: Request) -> Response:
    """Move a version to a stage; optionally archive the versions in that stage."""
    context = context_of(request)
    asked = await fields.read(request)
    version = find_version(context, asked)
    stage = {stage.lower(): stage for stage in STAGES}.get(fields.text(asked, "stage").lower())
    if stage is None:
        raise invalid(f"'stage' must be {', '.join(STAGES)}, not {asked['stage']!r}.")
    if asked.get("archive_existing_versions") is True:
        for other in context.store.list_collection(version["id"].rsplit("/", 1)[0]):
            if stage_of(other) == stage:
                change(context, other, stage="Archived")
    change(context, version, stage=stage)
    return _show(request, asked)


async def download_uri(request: Request) -> Response:
    """Return the location of a version's files."""
    context = context_of(request)
    version = find_version(context, await fields.read(request))
    uri = artifact_uri(version)
    if uri is None:
        where = version["properties"]["modelUri"]
        raise MlflowError(501, "NOT_IMPLEMENTED", f"The emulator cannot give MLflow a model at {where}.")
    return JSONResponse({"artifact_uri": uri})


async def search(request: Request) -> Response:
    """Search versions by filter and order; paged."""
    context = context_of(request)
    asked = await fields.read(request)
    clauses = filters.parse_filter(fields.optional_text(asked, "filter") or "", ATTRIBUTES)
    versions = {(name_of(version), version["name"]): version for version in context.store.list_type(TYPE)}
    found = filters.sort(
        [record for record in map(_searchable, versions.values()) if filters.matches(clauses, record)],
        fields.texts(asked, "order_by"),
        ATTRIBUTES,
        ["last_updated_timestamp DESC", "name ASC", "version_number DESC"],
    )
    items, token = fields.page(asked, found, PAGE_SIZE)
    shown = [versions[item["attributes"]["name"], item["attributes"]["version"]] for item in items]
    return JSONResponse({"model_versions": [show_version(context, version) for version in shown], **token})


async def set_tag(request: Request) -> Response:
    """Set a tag of a version."""
    context = context_of(request)
    asked = await fields.read(request)
    version = find_version(context, asked)
    tag = {fields.text(asked, "key"): fields.optional_text(asked, "value") or ""}
    change(context, version, tags={**version["properties"]["tags"], **tag})
    return JSONResponse({})


async def delete_tag(request: Request) -> Response:
    """Remove a tag of a version."""
    context = context_of(request)
    asked = await fields.read(request)
    version = find_version(context, asked)
    tags = dict(version["properties"]["tags"])
    if tags.pop(fields.text(asked, "key"), None) is None:
        raise does_not_exist(f"The tag {asked['key']!r}")
    change(context, version, tags=tags)
    return JSONResponse({})


def _searchable(version: Document) -> dict[str, Document]:
    number = version["name"]
    attributes = {
        "name": name_of(version),
        "version": number,
        "version_number": int(number) if number.isdecimal() else None,
        "run_id": version["properties"].get("jobName"),
        "creation_timestamp": as_milliseconds(version["systemData"]["createdAt"]),
        "last_updated_timestamp": as_milliseconds(version["systemData"]["lastModifiedAt"]),
    }
    return {"metrics": {}, "params": {}, "tags": version["properties"]["tags"], "attributes": attributes}


def _show(request: Request, asked: Document) -> Response:
    context = context_of(request)
    return JSONResponse({"model_version": show_version(context, find_version(context, asked))})


routes: list[BaseRoute] = [
    Route("/model-versions/create", create, methods=["POST"]),
    Route("/model-versions/get", get, methods=["GET"]),
    Route("/model-versions/update", update, methods=["PATCH"]),
    Route("/model-versions/delete", delete, methods=["DELETE"]),
    Route("/model-versions/search", search, methods=["GET"]),
    Route("/model-versions/transition-stage", transition_stage, methods=["POST"]),
    Route("/model-versions/get-download-uri", download_uri, methods=["GET"]),
    Route("/model-versions/set-tag", set_tag, methods=["POST"]),
    Route("/model-versions/delete-tag", delete_tag, methods=["DELETE"]),
]
