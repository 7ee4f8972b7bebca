"""Batch deployments: a model with script and environment, or a pipeline component."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from azureml_emulator.arm.durations import duration_seconds
from azureml_emulator.arm.errors import bad_request, not_emulated
from azureml_emulator.arm.resources import object_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane.endpoint_resources import (
    NAME_PATTERN,
    NAME_RULE,
    build_resource,
    get,
    list_deployments,
    spelled,
    start_delete,
)
from azureml_emulator.control_plane.http import read_resource
from azureml_emulator.control_plane.long_running import Kind, created
from azureml_emulator.control_plane.lookup import arm_path, check_name, get_resource, parent
from azureml_emulator.jobs.assets import find_asset
from azureml_emulator.jobs.computes import check_compute
from azureml_emulator.jobs.environments import find_environment
from azureml_emulator.jobs.specs import read_variables
from azureml_emulator.store import Document

PUT, DELETE = "put-batch-deployment", "delete-batch-deployment"
DEFAULTS: Document = {
    "description": None,
    "properties": {},
    "codeConfiguration": None,
    "environmentId": None,
    "environmentVariables": {},
    "compute": None,
    "deploymentConfiguration": None,
    "errorThreshold": -1,
    "loggingLevel": "Info",
    "model": None,
    "maxConcurrencyPerInstance": 1,
    "miniBatchSize": 10,
    "outputAction": "AppendRow",
    "outputFileName": "predictions.csv",
}
OF_COMPONENTS = {
    "properties": None,
    "codeConfiguration": None,
    "environmentId": None,
    "environmentVariables": None,
    "compute": None,
    "errorThreshold": 0,
    "retrySettings": {"maxRetries": 0, "timeout": "PT0S"},
    "miniBatchSize": 0,
    "loggingLevel": "Info",
    "model": None,
    "maxConcurrencyPerInstance": 0,
    "outputAction": "SummaryOnly",
}
"""A deployment of a pipeline component has these settings, whatever the request says (recorded 2023 and 2024)."""
RESOURCES = {
    "instanceCount": 1,
    "maxInstanceCount": None,
    "instanceType": None,
    "locations": None,
    "properties": None,
}
LOGGING_LEVELS = ("Info", "Warning", "Debug")
OUTPUT_ACTIONS = ("AppendRow", "SummaryOnly")
RETRIES = {"maxRetries": 3, "timeout": "PT30S"}


def define_operations(context: Context) -> None:
    """Define the long-running operations on batch deployments."""

    async def nothing_more(_deployment_id: str) -> None:
        pass

    async def finish_delete(deployment_id: str) -> None:
        context.store.delete(deployment_id)

    context.operations.define(PUT, nothing_more)
    context.operations.define(DELETE, finish_delete)


async def put(request: Request) -> Response:
    """Create or replace a deployment; its environment is built when it first scores."""
    context = context_of(request)
    deployment_id = arm_path(request)
    check_name("a batch deployment", request.path_params["deployment"], NAME_PATTERN, NAME_RULE)
    get_resource(request, parent(parent(deployment_id)))
    body, properties = await read_resource(request)
    previous = context.store.get(deployment_id)
    state = context.transitions.begin_put(previous)
    completed = _completed(context, properties)
    resource = build_resource(request, body, {**completed, "provisioningState": state}, previous)
    context.store.put(resource)
    return created(request, context.operations.start(PUT, deployment_id), Kind.BATCH_DEPLOYMENT, resource)


def _completed(context: Context, properties: Document) -> Document:
    """Validate a deployment's properties and apply the service's defaults."""
    given = _set(properties)
    completed = {**DEFAULTS, **given, "resources": {**RESOURCES, **_set(object_in(properties, "resources"))}}
    # An empty object is shown as null.
    completed["resources"]["properties"] = completed["resources"]["properties"] or None
    if configuration := object_in(properties, "deploymentConfiguration"):
        _check_component(context, configuration)
        shown = {"description": None, "settings": None, "tags": None, **configuration}
        return {**completed, **OF_COMPONENTS, "deploymentConfiguration": shown, "outputFileName": None}
    completed["properties"] = object_in(properties, "properties")
    completed["retrySettings"] = {**RETRIES, **_set(object_in(properties, "retrySettings"))}
    completed["loggingLevel"] = spelled(completed["loggingLevel"], LOGGING_LEVELS)
    completed["outputAction"] = spelled(completed["outputAction"], OUTPUT_ACTIONS)
    check_scoring(completed)
    read_variables(object_in(completed, "environmentVariables"))
    check_compute(context.store, context.settings.workspace_id, completed["compute"])
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


def _check_component(context: Context, configuration: Document) -> None:
    component = find_asset(context.store, str(object_in(configuration, "componentId").get("assetId")), "components")
    if component["properties"]["componentSpec"]["type"] != "pipeline":
        raise bad_request(f"The component {component['id']} is not a pipeline.")


def _check_assets(context: Context, properties: Document) -> None:
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
    return start_delete(request, DELETE, Kind.BATCH_DEPLOYMENT)


DEPLOYMENT = "/batchEndpoints/{endpoint}/deployments/{deployment}"
routes = [
    Route("/batchEndpoints/{endpoint}/deployments", list_deployments),
    Route(DEPLOYMENT, get, methods=["GET"]),
    Route(DEPLOYMENT, put, methods=["PUT"]),
    Route(DEPLOYMENT, delete, methods=["DELETE"]),
]
