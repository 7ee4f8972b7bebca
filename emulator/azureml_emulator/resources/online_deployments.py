"""Online deployments: a model, a scoring script and an environment behind an endpoint."""

from __future__ import annotations

import re
import shutil
from pathlib import Path, PurePosixPath

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator import conda, processes
from azureml_emulator.arm import (
    PROVIDER,
    ArmError,
    bad_request,
    new_resource,
    not_emulated,
    not_found,
    object_in,
    read_body,
    read_resource,
)
from azureml_emulator.inference import ScoringApp
from azureml_emulator.resources.long_running import accepted
from azureml_emulator.resources.lookup import arm_path, check_name, get_resource, parent
from azureml_emulator.resources.online_endpoints import NAME_PATTERN, NAME_RULE, refuse_if_busy
from azureml_emulator.services import Services, services
from azureml_emulator.store import Document

TYPE = f"{PROVIDER}/workspaces/onlineEndpoints/deployments"
PUT, DELETE = "put-online-deployment", "delete-online-deployment"
PROBE = {"initialDelay": "PT10S", "period": "PT10S", "timeout": "PT2S", "failureThreshold": 30, "successThreshold": 1}
REQUEST_SETTINGS = {"requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1, "maxQueueWait": "PT0.5S"}


def define_operations(parts: Services) -> None:
    """Say what the long-running operations on deployments do.

    Args:
        parts: The emulator.
    """

    async def finish_put(deployment_id: str) -> None:
        await bring_up(parts, deployment_id)
        parts.store.set_properties(deployment_id, provisioningState="Succeeded")

    async def finish_delete(deployment_id: str) -> None:
        await parts.servers.stop(deployment_id)
        parts.store.delete(deployment_id)

    parts.operations.define(PUT, finish_put)
    parts.operations.define(DELETE, finish_delete)


async def bring_up(parts: Services, deployment_id: str) -> None:
    """Build the environment, fetch code and model, start a server, and let it serve once it is ready.

    Args:
        parts: The emulator.
        deployment_id: The deployment's ARM id. The server that serves now goes on until the new one is ready.

    Raises:
        ArmError: If any of it fails.
    """
    deployment = parts.store.get(deployment_id)
    if deployment is None:
        raise not_found(deployment_id)
    properties = deployment["properties"]
    environment = _asset(parts, properties["environmentId"])
    conda_file = environment["properties"].get("condaFile")
    if not conda_file:
        raise conda.image_build_failure(
            f"The environment {environment['id']} has no conda file: the emulator runs no container images."
        )
    virtual_environment = await conda.build_environment(conda.parse_conda_file(conda_file))
    code = _asset(parts, properties["codeConfiguration"]["codeId"])
    folder = parts.servers.new_folder(deployment_id)
    try:
        app = ScoringApp(
            environment=virtual_environment,
            code=await parts.blobs.download(code["properties"]["codeUri"], folder / "code"),
            entry_script=properties["codeConfiguration"]["scoringScript"],
            model=await _fetch_model(parts, properties, folder / "azureml-models"),
            variables=properties["environmentVariables"],
        )
        server = await parts.servers.start(deployment_id, app, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    try:
        await server.wait_until_ready(probe_seconds(properties["readinessProbe"]))
    except BaseException:
        await server.stop()
        raise
    await parts.servers.replace(deployment_id, server)


def probe_seconds(probe: Document) -> float:
    """How long a readiness probe may fail before the service gives up.

    Args:
        probe: `initialDelay` and `period` as ISO 8601 durations, and `failureThreshold`.

    Returns:
        Seconds.
    """
    failures = probe["failureThreshold"]
    if not isinstance(failures, int):
        raise bad_request(f"'failureThreshold' must be a number, not {failures!r}.")
    return duration_seconds(probe["initialDelay"]) + duration_seconds(probe["period"]) * failures


def duration_seconds(duration: object) -> float:
    """Read an ISO 8601 duration of days, hours, minutes and seconds.

    Args:
        duration: Such as `PT1M30S`.

    Returns:
        Seconds.

    Raises:
        ArmError: 400, if it is anything else.
    """
    number = r"(?:(\d+(?:\.\d+)?){})?"
    found = isinstance(duration, str) and re.fullmatch(
        f"P{number.format('D')}(?:T{number.format('H')}{number.format('M')}{number.format('S')})?", duration
    )
    if not found or duration in ("P", "PT"):
        raise bad_request(f"{duration!r} is not an ISO 8601 duration such as PT10S.")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


async def _fetch_model(parts: Services, properties: Document, folder: Path) -> Path:
    """Lay the model out as the service does: AZUREML_MODEL_DIR/<name of the uploaded folder or file>."""
    reference = properties.get("model")
    if not reference:
        folder.mkdir()
        return folder
    model = _asset(parts, reference)
    name, _, version = model["id"].split("/")[-3:]
    model_dir: Path = folder / name / version
    await parts.blobs.download(model["properties"]["modelUri"], model_dir)
    return model_dir


def _asset(parts: Services, reference: str) -> Document:
    """Find an asset of this workspace by its ARM id, with or without `azureml:` before it."""
    asset = parts.store.get(reference.removeprefix("azureml:"))
    if asset is None:
        raise ArmError(
            404,
            "ResourceNotFound",
            f"The asset {reference} was not found in the workspace; the emulator has no others.",
        )
    return asset


async def put(request: Request) -> Response:
    """Create or replace a deployment."""
    parts = services(request)
    deployment_id = arm_path(request)
    check_name("an online deployment", request.path_params["deployment"], NAME_PATTERN, NAME_RULE)
    endpoint = get_resource(request, parent(parent(deployment_id)))
    body, properties = await read_resource(request)
    previous = parts.store.get(deployment_id)
    refuse_if_busy(previous)
    if endpoint["properties"]["provisioningState"] == "Deleting":
        refuse_if_busy(endpoint)
    resource = new_resource(
        deployment_id,
        {**_completed(properties), "provisioningState": "Updating" if previous else "Creating"},
        previous=previous,
        location=body.get("location") or parts.settings.location,
        tags=object_in(body, "tags"),
        kind=body.get("kind") or "Managed",
        sku=body.get("sku") or {"name": "Default", "capacity": 1},
        identity=body.get("identity"),
    )
    _asset(parts, resource["properties"]["environmentId"])
    _asset(parts, resource["properties"]["codeConfiguration"]["codeId"])
    if model := resource["properties"].get("model"):
        _asset(parts, model)
    parts.store.put(resource)
    operation = parts.operations.start(PUT, deployment_id)
    return accepted(request, operation, resource, 200 if previous else 201)


def _completed(properties: Document) -> Document:
    """Check a deployment's properties and add the service's defaults."""
    code = object_in(properties, "codeConfiguration")
    if not code.get("codeId") or not code.get("scoringScript") or not properties.get("environmentId"):
        raise not_emulated("a deployment without scoring code and environment (an MLflow model)")
    model = properties.get("model")
    # Clients send the model's id as a string or in a reference object.
    model_id = model.get("assetId") if isinstance(model, dict) else model
    ids = (code["codeId"], properties["environmentId"], model_id or "")
    if not all(isinstance(value, str) for value in (*ids, code["scoringScript"])):
        raise bad_request("'model', 'codeId', 'scoringScript' and 'environmentId' must be strings.")
    if ".." in PurePosixPath(code["scoringScript"]).parts or code["scoringScript"].startswith("/"):
        raise bad_request(f"The scoring script {code['scoringScript']!r} must be a path in the code folder.")
    variables = object_in(properties, "environmentVariables")
    completed = {
        "description": None,
        "instanceType": "Standard_DS3_v2",
        "endpointComputeType": "Managed",
        "appInsightsEnabled": False,
        "egressPublicNetworkAccess": "Enabled",
        **properties,
        "model": model_id,
        "properties": object_in(properties, "properties"),
        "environmentVariables": {name: str(value) for name, value in variables.items()},
        "requestSettings": {**REQUEST_SETTINGS, **_given(properties, "requestSettings")},
        "livenessProbe": {**PROBE, **_given(properties, "livenessProbe")},
        "readinessProbe": {**PROBE, **_given(properties, "readinessProbe")},
        "scaleSettings": properties.get("scaleSettings") or {"scaleType": "Default"},
    }
    if completed["endpointComputeType"] != "Managed":
        raise not_emulated(f"deployments on {completed['endpointComputeType']}")
    probe_seconds(completed["readinessProbe"])
    duration_seconds(completed["requestSettings"]["requestTimeout"])
    return completed


def _given(properties: Document, name: str) -> Document:
    return {setting: value for setting, value in object_in(properties, name).items() if value is not None}


async def list_deployments(request: Request) -> Response:
    """List the deployments of an endpoint."""
    get_resource(request, parent(arm_path(request)))
    return JSONResponse({"value": services(request).store.list_collection(arm_path(request))})


async def get(request: Request) -> Response:
    """GET a deployment."""
    return JSONResponse(get_resource(request, arm_path(request)))


async def delete(request: Request) -> Response:
    """DELETE a deployment that gets no traffic; what is under way on it is cancelled."""
    parts = services(request)
    deployment_id = arm_path(request)
    deployment = parts.store.get(deployment_id)
    if deployment is None:
        return Response(status_code=204)
    endpoint = get_resource(request, parent(parent(deployment_id)))
    if percent := endpoint["properties"]["traffic"].get(deployment["name"]):
        raise bad_request(f"The deployment {deployment['name']} gets {percent} % of the traffic: set it to 0 first.")
    parts.operations.cancel(deployment_id)
    parts.store.set_properties(deployment_id, provisioningState="Deleting")
    return accepted(request, parts.operations.start(DELETE, deployment_id), None, 202)


async def get_logs(request: Request) -> Response:
    """Hand out the end of the newest server's output; it is there after a crash as well."""
    deployment = get_resource(request, parent(arm_path(request)))
    body = await read_body(request)
    if body.get("containerType") == "StorageInitializer":
        return JSONResponse({"content": ""})
    lines = body.get("tail") or 50
    if not isinstance(lines, int) or lines < 1:
        raise bad_request(f"'tail' must be a number of lines, not {lines!r}.")
    return JSONResponse({"content": processes.log_tail(services(request).servers.log(deployment["id"]), lines)})


async def list_skus(request: Request) -> Response:
    """Say how many instances the deployment may have."""
    deployment = get_resource(request, parent(arm_path(request)))
    capacity = {"minimum": 1, "maximum": 20, "default": 1, "scaleType": "Manual"}
    sku = {"resourceType": deployment["type"], "sku": {"name": "Default", "tier": "Standard"}, "capacity": capacity}
    return JSONResponse({"value": [sku]})


DEPLOYMENT = "/onlineEndpoints/{endpoint}/deployments/{deployment}"
routes = [
    Route("/onlineEndpoints/{endpoint}/deployments", list_deployments),
    Route(DEPLOYMENT, get, methods=["GET"]),
    Route(DEPLOYMENT, put, methods=["PUT"]),
    Route(DEPLOYMENT, delete, methods=["DELETE"]),
    Route(f"{DEPLOYMENT}/getLogs", get_logs, methods=["POST"]),
    Route(f"{DEPLOYMENT}/skus", list_skus),
]
