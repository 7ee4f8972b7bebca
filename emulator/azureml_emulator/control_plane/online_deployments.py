"""Online deployments: a model, a scoring script and an environment."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm.durations import duration_seconds, probe_seconds
from azureml_emulator.arm.errors import ArmError, bad_request, not_emulated
from azureml_emulator.arm.resources import PROVIDER, object_in
from azureml_emulator.arm.transitions import State
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane import kubernetes
from azureml_emulator.control_plane.endpoint_resources import (
    NAME_PATTERN,
    NAME_RULE,
    OPERATION_PROPERTY,
    build_resource,
    get,
    list_deployments,
    spelled,
    start_delete,
)
from azureml_emulator.control_plane.http import read_body, read_resource
from azureml_emulator.control_plane.long_running import Kind, accepted, api_version, created, status_url
from azureml_emulator.control_plane.lookup import arm_path, check_name, get_resource, parent
from azureml_emulator.control_plane.online_endpoints import PUT as PUT_ENDPOINT
from azureml_emulator.control_plane.provisioning import (
    CALL_FAILED,
    refuse_deployment_on,
    refuse_deployment_on_busy,
    refuse_unprovisioned_deployment,
    without_code,
)
from azureml_emulator.control_plane.quota import check_quota, managed_deployments
from azureml_emulator.machine import processes
from azureml_emulator.scoring.build_logs import keep_build_log
from azureml_emulator.scoring.deployer import Deployer, find_asset, find_environment
from azureml_emulator.store import Document

TYPE = f"{PROVIDER}/workspaces/onlineEndpoints/deployments"
PUT, DELETE = "put-online-deployment", "delete-online-deployment"
PROBE = {"initialDelay": "PT10S", "period": "PT10S", "timeout": "PT2S", "failureThreshold": 30, "successThreshold": 1}
REQUEST_SETTINGS = {"maxQueueWait": "PT0S", "requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1}
SKU = {"name": "Default", "tier": "Standard", "capacity": 1}
COMPUTE_TYPES = ("Managed", "Kubernetes")
COLLECTION_MODES = ("Enabled", "Disabled")
ROLLING_RATES = ("Year", "Month", "Day", "Hour", "Minute")
STEPS = ("SystemSetup", "UserContainerImagePull", "ModelDownload", "UserContainerStart")
"""What the service does to start an instance, as its logs name it."""


def define_operations(context: Context) -> None:
    """Define the long-running operations on online deployments."""
    settings = context.settings
    deployer = Deployer(
        context.store,
        context.blobs,
        context.servers,
        settings.environment_pythons,
        instant=settings.scoring == "instant",
    )

    async def finish_delete(deployment_id: str) -> None:
        _refuse_with_traffic(context, deployment_id)
        await context.servers.stop(deployment_id)
        context.store.delete(deployment_id)

    async def explain(error: ArmError) -> ArmError:
        return without_code(await keep_build_log(context.blobs, error))

    context.operations.define(PUT, deployer.deploy, explain)
    context.operations.define(DELETE, finish_delete)


async def put(request: Request) -> Response:
    """Create or replace a deployment."""
    context = context_of(request)
    deployment_id = arm_path(request)
    check_name("an online deployment", request.path_params["deployment"], NAME_PATTERN, NAME_RULE)
    endpoint = get_resource(request, parent(parent(deployment_id)))
    body, properties = await read_resource(request)
    previous = context.store.get(deployment_id)
    state = context.transitions.begin_put(previous)
    refuse_unprovisioned_deployment(context, previous, PUT)
    refuse_deployment_on(context, endpoint, PUT_ENDPOINT)
    refuse_deployment_on_busy(context, endpoint)
    compute_id = endpoint["properties"]["compute"]
    completed = _completed(properties, get_resource(request, compute_id) if compute_id else None)
    if api_version(request).endswith("-preview") and not compute_id:
        # An older name of the same, in preview versions only (recorded until 2023).
        completed["privateNetworkConnection"] = completed["egressPublicNetworkAccess"] == "Disabled"
    _check_assets(context, completed)
    resource = build_resource(
        request,
        body,
        {**completed, "provisioningState": state},
        previous,
        kind=body.get("kind") or endpoint["kind"],
        sku={**SKU, **_given(body, "sku")},
        **({"identity": body["identity"]} if body.get("identity") else {}),
    )
    if context.settings.quota_cores is not None and not compute_id:
        others = managed_deployments(context.store)
        check_quota(resource, others, context.settings.quota_cores, context.settings.subscription_id)
    operation = context.operations.start(PUT, deployment_id)
    labels = resource["properties"]["properties"]
    labels[OPERATION_PROPERTY] = status_url(request, operation, Kind.ONLINE_DEPLOYMENT)
    context.store.put(resource)
    return created(request, operation, Kind.ONLINE_DEPLOYMENT, resource)


def _completed(properties: Document, compute: Document | None) -> Document:
    """Validate a deployment's properties and apply the service's defaults."""
    variables = object_in(properties, "environmentVariables")
    completed = {
        "description": None,
        "modelMountPath": None,
        "appInsightsEnabled": False,
        **properties,
        **_references(properties),
        "endpointComputeType": spelled(properties.get("endpointComputeType") or "Managed", COMPUTE_TYPES),
        "properties": object_in(properties, "properties"),
        "environmentVariables": {name: str(value) for name, value in variables.items()},
        "requestSettings": {**REQUEST_SETTINGS, **_given(properties, "requestSettings")},
        "livenessProbe": {**PROBE, **_given(properties, "livenessProbe")},
        "readinessProbe": {**PROBE, **_given(properties, "readinessProbe")},
        "scaleSettings": object_in(properties, "scaleSettings") or {"scaleType": "Default"},
        "dataCollector": _data_collector(properties),
    }
    probe_seconds(completed["readinessProbe"])
    duration_seconds(completed["requestSettings"]["requestTimeout"])
    concurrent = completed["requestSettings"]["maxConcurrentRequestsPerInstance"]
    if type(concurrent) is not int or concurrent < 1:
        raise bad_request(f"'maxConcurrentRequestsPerInstance' must be 1 or more, not {concurrent!r}.")
    kind = "Kubernetes" if compute else "Managed"
    if completed["endpointComputeType"] != kind:
        raise bad_request(
            f"The endpoint's endpointComputeType is {kind}, its deployments cannot have"
            f" {completed['endpointComputeType']!r}."
        )
    if compute:
        return completed | kubernetes.deployment_settings(completed, compute)
    access = completed.get("egressPublicNetworkAccess") or "Enabled"
    return {"instanceType": "Standard_DS3_v2", **completed, "egressPublicNetworkAccess": access}


def _data_collector(properties: Document) -> Document | None:
    """Validate what a deployment collects of its requests. It is stored and nothing is collected."""
    collector = object_in(properties, "dataCollector")
    if not collector:
        return None
    collections = {}
    for name in object_in(collector, "collections"):
        collection = object_in(collector["collections"], name)
        mode = spelled(collection.get("dataCollectionMode") or "Disabled", COLLECTION_MODES)
        rate = collection.get("samplingRate")
        if rate is not None and (type(rate) not in (int, float) or not 0 <= rate <= 1):
            raise bad_request(f"The 'samplingRate' of collection {name!r} must be 0 to 1, not {rate!r}.")
        collections[name] = {**collection, "dataCollectionMode": mode}
    rolling_rate = spelled(collector.get("rollingRate") or "Hour", ROLLING_RATES)
    return {**collector, "collections": collections, "rollingRate": rolling_rate}


def _references(properties: Document) -> Document:
    """Return a deployment's model, and its code and environment if it has both."""
    code = object_in(properties, "codeConfiguration")
    model = properties.get("model")
    # Clients send the model's id as a string or as a reference object.
    model = model.get("assetId") if isinstance(model, dict) else model
    serving = (code.get("codeId"), code.get("scoringScript"), properties.get("environmentId"))
    if not all(isinstance(value, str) for value in (model, *serving) if value is not None):
        raise bad_request("'model', 'codeId', 'scoringScript' and 'environmentId' must be strings.")
    if any(serving) and not all(serving):
        raise not_emulated("a deployment with only some of code, scoring script and environment")
    script = PurePosixPath(code.get("scoringScript") or "")
    if ".." in script.parts or script.is_absolute():
        raise bad_request(f"The scoring script '{script}' must be a path in the code folder.")
    return {
        "model": model,
        "codeConfiguration": code if all(serving) else None,
        "environmentId": properties.get("environmentId"),
    }


def _check_assets(context: Context, properties: Document) -> None:
    """Check that a deployment's assets exist and resolve its environment; only an MLflow model needs no code."""
    model = find_asset(context.store, properties["model"]) if properties["model"] else None
    if properties["codeConfiguration"]:
        properties["environmentId"] = find_environment(context.store, properties["environmentId"])["id"]
        find_asset(context.store, properties["codeConfiguration"]["codeId"])
        return
    model_type = model["properties"]["modelType"] if model else None
    if model_type == "triton_model":
        raise not_emulated("serving a triton_model")
    if model_type != "mlflow_model":
        raise bad_request("A deployment needs code and an environment: only MLflow and Triton models include both.")


def _given(properties: Document, name: str) -> Document:
    return {setting: value for setting, value in object_in(properties, name).items() if value is not None}


async def delete(request: Request) -> Response:
    """DELETE a deployment and cancel its operations; with traffic, the deletion fails."""
    context = context_of(request)
    deployment_id = arm_path(request)
    if context.store.get(deployment_id) is None:
        return Response(status_code=204)
    if _traffic_of(context, deployment_id):
        return accepted(request, context.operations.start(DELETE, deployment_id), Kind.ONLINE_DEPLOYMENT)
    return start_delete(request, DELETE, Kind.ONLINE_DEPLOYMENT)


def _traffic_of(context: Context, deployment_id: str) -> int:
    """Return a deployment's live or mirrored traffic in percent."""
    endpoint = context.store.get(parent(parent(deployment_id)))
    name = deployment_id.rsplit("/", 1)[1].lower()
    shares = [endpoint["properties"][kind] for kind in ("traffic", "mirrorTraffic")] if endpoint else []
    return sum(share for kind in shares for one, share in kind.items() if one.lower() == name)


def _refuse_with_traffic(context: Context, deployment_id: str) -> None:
    if percent := _traffic_of(context, deployment_id):
        name = deployment_id.rsplit("/", 1)[1]
        problem = f"Can't delete deployment [{name}] with non-zero traffic weight, Current traffic [{percent}]."
        raise ArmError(400, CALL_FAILED, json.dumps(problem))


async def get_logs(request: Request) -> Response:
    """Return the status of an instance and the end of its newest server's output, also after a crash."""
    deployment = get_resource(request, parent(arm_path(request)))
    body = await read_body(request)
    lines = body.get("tail") or 50
    if not isinstance(lines, int) or lines < 1:
        raise bad_request(f"'tail' must be a number of lines, not {lines!r}.")
    output = ""
    if body.get("containerType") != "StorageInitializer":
        output = processes.log_tail(context_of(request).servers.log(deployment["id"]), lines)
    is_up = deployment["properties"]["provisioningState"] == State.SUCCEEDED
    status = [f"{step}: {'Succeeded' if is_up or step != STEPS[-1] else 'InProgress'}" for step in STEPS]
    return JSONResponse({"content": "\n".join(["Instance status:", *status, "", "Container logs:", output])})


async def list_skus(request: Request) -> Response:
    """Return how many instances the deployment may have; the limits are those recorded in 2024."""
    deployment = get_resource(request, parent(arm_path(request)))
    sku = {
        "resourceType": "Microsoft.MachineLearning.Services/endpoints/deployments",
        "sku": {"name": "default", "tier": "Standard"},
        "capacity": {"minimum": 1, "maximum": 50, "default": deployment["sku"]["capacity"], "scaleType": "Automatic"},
    }
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
