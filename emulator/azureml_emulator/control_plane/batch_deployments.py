"""Batch deployments: a model with script and environment, or a pipeline component."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm.durations import duration_seconds
from azureml_emulator.arm.errors import bad_request, not_emulated
from azureml_emulator.arm.resources import new_resource, object_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane.http import read_resource
from azureml_emulator.control_plane.long_running import accepted
from azureml_emulator.control_plane.lookup import arm_path, check_name, get_resource, parent
from azureml_emulator.control_plane.online_endpoints import NAME_PATTERN, NAME_RULE
from azureml_emulator.jobs.assets import find_asset
from azureml_emulator.jobs.computes import check_compute
from azureml_emulator.jobs.environments import find_environment
from azureml_emulator.jobs.specs import read_variables
from azureml_emulator.store import Document

PUT, DELETE = "put-batch-deployment", "delete-batch-deployment"
DEFAULTS = {
    "errorThreshold": -1,
    "loggingLevel": "Info",
    "maxConcurrencyPerInstance": 1,
    "miniBatchSize": 10,
    "outputAction": "AppendRow",
    "outputFileName": "predictions.csv",
}
OUTPUT_ACTIONS = ("AppendRow", "SummaryOnly")
RETRIES = {"maxRetries": 3, "timeout": "PT30S"}


def define_operations(context: Context) -> None:
    """Define the long-running operations on batch deployments."""

    async def finish_put(deployment_id: str) -> None:
        context.store.set_properties(deployment_id, provisioningState="Succeeded")

    async def finish_delete(deployment_id: str) -> None:
        context.store.delete(deployment_id)

    context.operations.define(PUT, finish_put)
    context.operations.define(DELETE, finish_delete)


async def put(request: Request) -> Response:
    """Create or replace a deployment; its environment is built when it first scores."""
    context = context_of(request)
    deployment_id = arm_path(request)
    check_name("a batch deployment", request.path_params["deployment"], NAME_PATTERN, NAME_RULE)
    get_resource(request, parent(parent(deployment_id)))
    body, properties = await read_resource(request)
    previous = context.store.get(deployment_id)
    context.transitions.refuse_if_busy(previous)
    completed = _completed(context, properties)
    resource = new_resource(
        deployment_id,
        {**completed, "provisioningState": "Updating" if previous else "Creating"},
        previous=previous,
        location=body.get("location") or context.settings.location,
        tags=object_in(body, "tags"),
    )
    context.store.put(resource)
    return accepted(request, context.operations.start(PUT, deployment_id), resource, 200 if previous else 201)


def _completed(context: Context, properties: Document) -> Document:
    """Validate a deployment's properties and apply the service's defaults."""
    given = {name: value for name, value in properties.items() if value is not None}
    completed = {
        "description": None,
        "model": None,
        "codeConfiguration": None,
        "environmentId": None,
        "environmentVariables": {},
        "resources": {"instanceCount": 1},
        **DEFAULTS,
        **given,
        "properties": object_in(properties, "properties"),
        "retrySettings": {**RETRIES, **_set(object_in(properties, "retrySettings"))},
    }
    check_scoring(completed)
    read_variables(object_in(completed, "environmentVariables"))
    check_compute(context.store, context.settings.workspace_id, completed.get("compute"))
    _check_assets(context, completed)
    return completed


def check_scoring(settings: Document) -> None:
    """Validate the scoring settings of a deployment, or of a request.

    Raises:
        ArmError: 400, if one is invalid.
    """
    retries = object_in(settings, "retrySettings")
    for place, name in (
        (settings, "errorThreshold"),
        (settings, "miniBatchSize"),
        (settings, "maxConcurrencyPerInstance"),
        (retries, "maxRetries"),
    ):
        if isinstance(place.get(name), bool) or not isinstance(place.get(name), int):
            raise bad_request(f"{name!r} must be a number, not {place.get(name)!r}.")
    if settings["miniBatchSize"] < 1 or settings["outputAction"] not in OUTPUT_ACTIONS:
        raise bad_request(f"'miniBatchSize' must be 1 or more, 'outputAction' one of {', '.join(OUTPUT_ACTIONS)}.")
    file = settings["outputFileName"]
    if not isinstance(file, str) or not re.fullmatch(r"[\w.-]*\w[\w.-]*", file):
        raise bad_request(f"'outputFileName' must be a file name, not {file!r}.")
    duration_seconds(retries.get("timeout"))


def _check_assets(context: Context, properties: Document) -> None:
    if configuration := object_in(properties, "deploymentConfiguration"):
        component = find_asset(context.store, str(object_in(configuration, "componentId").get("assetId")), "components")
        if component["properties"]["componentSpec"]["type"] != "pipeline":
            raise bad_request(f"The component {component['id']} is not a pipeline.")
        return
    model, code = object_in(properties, "model"), object_in(properties, "codeConfiguration")
    if not model:
        raise bad_request("A batch deployment needs a 'model', or a pipeline component.")
    find_asset(context.store, str(model.get("assetId")), "models")
    if not code or not properties["environmentId"]:
        raise not_emulated("a batch deployment without code and environment, which MLflow models can have")
    find_asset(context.store, str(code.get("codeId")), "codes")
    properties["environmentId"] = find_environment(context.store, str(properties["environmentId"]))["id"]
    script = PurePosixPath(str(code.get("scoringScript") or ""))
    if not script.name or ".." in script.parts or script.is_absolute():
        raise bad_request(f"The scoring script '{script}' must be a path in the code folder.")


def _set(given: Document) -> Document:
    return {name: value for name, value in given.items() if value is not None}


async def list_deployments(request: Request) -> Response:
    """List the deployments of an endpoint."""
    get_resource(request, parent(arm_path(request)))
    return JSONResponse({"value": context_of(request).store.list_collection(arm_path(request))})


async def get(request: Request) -> Response:
    """GET a deployment."""
    return JSONResponse(get_resource(request, arm_path(request)))


async def delete(request: Request) -> Response:
    """DELETE a deployment; the default deployment is refused."""
    context = context_of(request)
    deployment_id = arm_path(request)
    deployment = context.store.get(deployment_id)
    if deployment is None:
        return Response(status_code=204)
    endpoint = get_resource(request, parent(parent(deployment_id)))
    if endpoint["properties"]["defaults"]["deploymentName"] == deployment["name"]:
        raise bad_request(f"{deployment['name']} is the endpoint's default deployment: choose another one first.")
    context.store.set_properties(deployment_id, provisioningState="Deleting")
    return accepted(request, context.operations.start(DELETE, deployment_id), None, 202)


DEPLOYMENT = "/batchEndpoints/{endpoint}/deployments/{deployment}"
routes = [
    Route("/batchEndpoints/{endpoint}/deployments", list_deployments),
    Route(DEPLOYMENT, get, methods=["GET"]),
    Route(DEPLOYMENT, put, methods=["PUT"]),
    Route(DEPLOYMENT, delete, methods=["DELETE"]),
]
