"""The data plane: discovery, run history, and the location of job outputs."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from azureml_emulator.arm.errors import bad_request, missing
from azureml_emulator.arm.resources import object_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane.http import read_body
from azureml_emulator.control_plane.listing import page
from azureml_emulator.jobs.logs import LOG_FOLDERS
from azureml_emulator.jobs.runs import Run, experiment_id
from azureml_emulator.jobs.specs import DATA_TYPES
from azureml_emulator.settings import Settings
from azureml_emulator.store import Document
from azureml_emulator.tracking import artifacts

FIELDS = {"displayName": "display_name", "description": "description", "hidden": "hidden"}
MERGED_FIELDS = ("tags", "properties")


async def discover(request: Request) -> Response:
    """Return the addresses of the region's services; needs no token."""
    api = f"https://{context_of(request).settings.location}.api.azureml.ms"
    return JSONResponse(dict.fromkeys(("api", "history", "experimentation", "modelmanagement", "mlflow"), api))


async def get_run(request: Request) -> Response:
    """GET a run."""
    return JSONResponse(_document(context_of(request), _find(request)))


async def get_details(request: Request) -> Response:
    """GET a run with the addresses of its logs."""
    context, run = context_of(request), _find(request)
    names = await context.blobs.list_below(run.artifact())
    logs = {name: context.blobs.signed_url(run.artifact(name)) for name in names if name.startswith(LOG_FOLDERS)}
    document = _document(context, run)
    details = {
        "runId": run.id,
        "runUuid": document["runUuid"],
        "parentRunId": run.parent,
        "target": document["target"],
        "status": run.status,
        "createdTimeUtc": run.created,
        "startTimeUtc": run.started,
        "endTimeUtc": run.ended,
        "error": document["error"],
        "warnings": [],
        "tags": run.tags,
        "properties": run.properties,
        "logFiles": logs,
        "revision": 1,
    }
    return JSONResponse({name: value for name, value in details.items() if value is not None})


async def list_children(request: Request) -> Response:
    """List the node runs of a pipeline run."""
    context, run = context_of(request), _find(request)
    return page(request, [_document(context, child) for child in context.runs.children(run.id)])


async def get_run_data(request: Request) -> Response:
    """POST a run id; return the run with its outputs."""
    context = context_of(request)
    run_id = (await read_body(request)).get("runId")
    run = context.runs.get(str(run_id))
    if run is None:
        raise missing(f"Run {run_id} was not found.")
    return JSONResponse({"runMetadata": _document(context, run)})


async def change_run(request: Request) -> Response:
    """PATCH a run: display name, description, archived, more tags and properties."""
    context, run = context_of(request), _find(request)
    body = await read_body(request)
    changes: dict[str, Any] = {ours: body[theirs] for theirs, ours in FIELDS.items() if body.get(theirs) is not None}
    for field in MERGED_FIELDS:
        more = {name: str(value) for name, value in object_in(body, field).items() if value is not None}
        changes[field] = {**getattr(run, field), **more}
    changed = context.runs.change(run.id, **changes)
    assert changed is not None  # noqa: S101 - found above
    return JSONResponse(_document(context, changed))


async def resolve_data(request: Request) -> Response:
    """Return the location of data outputs."""
    outputs = await _outputs(request)
    return JSONResponse(
        {"values": {asset: {"uri": output["uri"], "type": DATA_TYPES[output["type"]]} for asset, output in outputs}}
    )


async def resolve_models(request: Request) -> Response:
    """Return the location of model outputs."""
    outputs = await _outputs(request)
    return JSONResponse(
        {"values": {asset: {"path": output["uri"], "type": DATA_TYPES[output["type"]]} for asset, output in outputs}}
    )


async def _outputs(request: Request) -> list[tuple[str, Document]]:
    """Return the outputs with the given ids; unknown ids are left out."""
    runs = context_of(request).runs
    asked = (await read_body(request)).get("values")
    if not isinstance(asked, list):
        raise bad_request("'values' must be a list of ids.")
    found = []
    for asset_id in asked:
        parsed = re.fullmatch(r".*/azureml_(.+?)_output_(?:data|model)_(\w+)/versions/1", str(asset_id))
        run = runs.get(parsed[1]) if parsed else None
        if run and parsed and parsed[2] in run.outputs:
            found.append((str(asset_id), run.outputs[parsed[2]]))
    return found


def _find(request: Request) -> Run:
    run = context_of(request).runs.get(request.path_params["run"])
    if run is None:
        raise missing(f"Run {request.path_params['run']} was not found.")
    return run


def _document(context: Context, run: Run) -> Document:
    """Return a run in the run history's form."""
    settings, resource = context.settings, context.store.get(context.settings.workspace_id)
    assert resource is not None  # noqa: S101 - made at the start
    workspace = resource["properties"]["workspaceId"]
    api = f"https://{settings.location}.api.azureml.ms"
    return {
        "runId": run.id,
        "runUuid": run.id,
        "parentRunId": run.parent,
        "rootRunId": run.root,
        "experimentId": experiment_id(settings.workspace_id, run.experiment),
        "status": run.status,
        "createdUtc": run.created,
        "startTimeUtc": run.started,
        "endTimeUtc": run.ended,
        "lastModifiedUtc": run.ended or run.started or run.created,
        "displayName": run.display_name,
        "description": run.description,
        "hidden": run.hidden,
        "dataContainerId": f"dcid.{run.id}",
        "runType": "azureml.PipelineRun" if run.kind == "Pipeline" else "azureml.StepRun" if run.parent else "Command",
        "tags": run.tags,
        "properties": run.properties,
        "target": run.compute or "serverless",
        "compute": {"target": run.compute or "serverless"},
        "services": {
            "Tracking": {"type": "Tracking", "endpoint": f"azureml://{api.removeprefix('https://')}/mlflow/v1.0"},
            "Studio": {
                "type": "Studio",
                "endpoint": f"https://ml.azure.com/runs/{run.id}?wsid={settings.workspace_id}",
            },
        },
        "error": {"error": run.error} if run.error and run.status == "Failed" else None,
        "cancelationReason": run.error["message"] if run.error and run.status == "Canceled" else None,
        "outputs": {
            # The run history's spelling, which differs from that of jobs.
            name: {"assetId": _asset_id(settings, workspace, run, name), "type": DATA_TYPES[output["type"]]}
            for name, output in run.outputs.items()
        },
    }


def _asset_id(settings: Settings, workspace: str, run: Run, output: str) -> str:
    of_model = run.outputs[output]["type"].endswith("_model")
    kind, word = ("models", "model") if of_model else ("data", "data")
    place = f"azureml://locations/{settings.location}/workspaces/{workspace}"
    return f"{place}/{kind}/azureml_{run.id}_output_{word}_{output}/versions/1"


_RUN_ROUTES = [
    Route("/runs/{run}", get_run, methods=["GET"]),
    Route("/runs/{run}", change_run, methods=["PATCH"]),
    Route("/runs/{run}/details", get_details),
    Route("/runs/{run}/children", list_children),
]
history_routes: list[BaseRoute] = [
    *artifacts.history_routes,
    *_RUN_ROUTES,
    *(Mount(f"/{scope}/{{experiment}}", routes=_RUN_ROUTES) for scope in ("experiments", "experimentids")),
    Route("/rundata", get_run_data, methods=["POST"]),
]


def routes(settings: Settings) -> list[BaseRoute]:
    """Return the routes of the data plane, for requests with a token."""
    workspace = settings.workspace_id
    return [
        Mount(f"/history/v1.0{workspace}", routes=history_routes),
        Route(f"/data/v1.0{workspace}/dataversion/batchGetResolvedUris", resolve_data, methods=["POST"]),
        Route(f"/modelregistry/v1.0{workspace}/models/batchGetResolvedUris", resolve_models, methods=["POST"]),
    ]
