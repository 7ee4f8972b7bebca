"""Computes: clusters and instances. Jobs name them but run on this machine.

Attached Kubernetes clusters are in `kubernetes.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm.durations import duration_seconds
from azureml_emulator.arm.errors import bad_request, not_emulated
from azureml_emulator.arm.resources import new_resource, now, object_in, text_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane import kubernetes
from azureml_emulator.control_plane.http import read_resource
from azureml_emulator.control_plane.listing import page
from azureml_emulator.control_plane.long_running import compute_response
from azureml_emulator.control_plane.lookup import arm_path, check_name, get_resource, parent
from azureml_emulator.control_plane.vm_sizes import VM_SIZES
from azureml_emulator.store import Document, Store

NAME_PATTERN = r"[a-zA-Z][a-zA-Z0-9-]{0,22}[a-zA-Z0-9]"
NAME_RULE = "2 to 24 letters, digits and '-', a letter first, no '-' last"
PUT, DELETE = "put-compute", "delete-compute"
ACTIONS = {"start": "Running", "stop": "Stopped", "restart": "Running"}
"""Actions on a compute instance, and the resulting state."""
SCALE = {"minNodeCount": 0, "maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "PT2M"}
FIRST_PORT = 50000
SHARED = "Shared"
OS_IMAGE = "24.01.30"
NODE_STATES = ("preparing", "running", "idle", "unusable", "leaving", "preempted")
DEFAULTS: tuple[tuple[str, Document], ...] = (
    ("cpu-cluster", {"computeType": "AmlCompute", "properties": {"scaleSettings": {"maxNodeCount": 2}}}),
    ("k8s", {"computeType": "Kubernetes"}),
)
"""The computes of a new workspace."""


def create_defaults(store: Store, workspace_id: str, location: str) -> None:
    """Create the computes of a new workspace."""
    for name, given in DEFAULTS:
        compute_id = f"{workspace_id}/computes/{name}"
        store.put(_resource(compute_id, given, None, location=location, tags={}))
        _provision(store, compute_id)


def define_operations(context: Context) -> None:
    """Define the long-running operations on computes."""

    async def finish_put(compute_id: str) -> None:
        _provision(context.store, compute_id)

    async def finish_delete(compute_id: str) -> None:
        context.store.delete(compute_id)

    def finish_action(state: str) -> Callable[[str], Awaitable[None]]:
        async def finish(compute_id: str) -> None:
            if compute := context.store.get(compute_id):
                settings = {**compute["properties"]["properties"], "state": state}
                context.store.set_properties(compute_id, properties=settings)

        return finish

    context.operations.define(PUT, finish_put)
    context.operations.define(DELETE, finish_delete)
    for action, state in ACTIONS.items():
        context.operations.define(f"{action}-compute", finish_action(state))


async def put(request: Request) -> Response:
    """Create a compute, or change its scale and tags."""
    context = context_of(request)
    compute_id = arm_path(request)
    check_name("a compute", request.path_params["name"], NAME_PATTERN, NAME_RULE)
    body, properties = await read_resource(request)
    previous = context.store.get(compute_id)
    context.transitions.refuse_if_busy(previous)
    location = str(body.get("location") or context.settings.location)
    resource = _resource(compute_id, properties, previous, location=location, tags=object_in(body, "tags") or None)
    if identity := identity_of(object_in(body, "identity"), context.settings.tenant_id):
        resource["identity"] = identity
    context.store.put(resource)
    return compute_response(request, context.operations.start(PUT, compute_id), resource)


def identity_of(asked: Document, tenant: str) -> Document | None:
    """Return a new identity of a compute; None if it has none."""
    if asked.get("type") in (None, "None"):
        return None
    return {**asked, "principalId": str(uuid.uuid4()), "tenantId": tenant}


def _resource(compute_id: str, given: Document, previous: Document | None, **top_level: Any) -> Document:
    """Return a compute as its PUT answers: what only its machines know is still missing."""
    kind, was = str(given.get("computeType")), object_in(previous or {}, "properties")
    if was and str(was["computeType"]).lower() != kind.lower():
        raise bad_request(f"The compute {compute_id.rsplit('/', 1)[-1]} is of type {was['computeType']}.")
    match kind.lower():
        case "amlcompute":
            completed = _cluster(given, was)
        case "computeinstance":
            completed = _instance(given, was)
        case "kubernetes":
            completed = kubernetes.cluster_properties(compute_id, given)
        case _:
            raise not_emulated(f"a compute of type {kind!r}: only AmlCompute, ComputeInstance and Kubernetes")
    changed = now()
    properties = {
        "createdOn": was.get("createdOn", changed),
        "modifiedOn": changed,
        "disableLocalAuth": bool(given.get("disableLocalAuth")),
        "description": given.get("description"),
        "resourceId": None,
        "computeLocation": top_level["location"],
        # Also when it changes (recorded 2023).
        "provisioningState": "Creating",
        "provisioningErrors": None,
        "isAttachedCompute": kind.lower() == "kubernetes",
        **completed,
    }
    resource = new_resource(compute_id, properties, **top_level)
    # Recorded 2022 and 2023: computes have their dates in the properties only.
    del resource["systemData"]
    return resource


def _provision(store: Store, compute_id: str) -> None:
    """Fill in what a compute has when its machines exist."""
    compute = store.get(compute_id)
    if compute is None:
        return
    properties, settings = compute["properties"], compute["properties"]["properties"]
    if properties["computeType"] == "AmlCompute":
        settings |= _machines(settings)
    elif properties["computeType"] == "ComputeInstance":
        settings |= _running(compute["name"], properties["computeLocation"], settings)
    compute["tags"] = compute["tags"] or {}
    properties["provisioningState"] = "Succeeded"
    store.put(compute)


def _cluster(properties: Document, previous: Document) -> Document:
    given = object_in(properties, "properties")
    asked = object_in(given, "scaleSettings")
    scale = {**SCALE, **_set(asked)}
    smallest, largest = scale["minNodeCount"], scale["maxNodeCount"]
    if not (isinstance(smallest, int) and isinstance(largest, int) and 0 <= smallest <= largest):
        raise bad_request(f"A cluster cannot have from {smallest!r} to {largest!r} nodes.")
    duration_seconds(scale["nodeIdleTimeBeforeScaleDown"])
    login = object_in(given, "userAccountCredentials") or object_in(
        object_in(previous, "properties"), "userAccountCredentials"
    )
    unknown = ("currentNodeCount", "targetNodeCount", "nodeStateCounts", "allocationState", "errors")
    settings = {
        "vmSize": _vm_size(given),
        "vmPriority": given.get("vmPriority"),
        "scaleSettings": {**scale, "nodeIdleTimeBeforeScaleDown": asked.get("nodeIdleTimeBeforeScaleDown")},
        "subnet": given.get("subnet"),
        # The contract calls its password and key secrets, which answers leave out.
        **({"userAccountCredentials": {"adminUserName": login.get("adminUserName")}} if login else {}),
        **dict.fromkeys(unknown),
        "remoteLoginPortPublicAccess": given.get("remoteLoginPortPublicAccess") or "NotSpecified",
        "osType": given.get("osType") or "Linux",
        "virtualMachineImage": given.get("virtualMachineImage"),
        "isolatedNetwork": bool(given.get("isolatedNetwork")),
        "enableNodePublicIp": given.get("enableNodePublicIp") is not False,
    }
    return {"computeType": "AmlCompute", "properties": settings}


def _machines(settings: Document) -> Document:
    """Return what a cluster's machines add: its minimum number of nodes exists, all idle."""
    scale, login = settings["scaleSettings"], settings["remoteLoginPortPublicAccess"]
    count = scale["minNodeCount"]
    return {
        "vmPriority": settings["vmPriority"] or "Dedicated",
        "scaleSettings": {**SCALE, **_set(scale)},
        "currentNodeCount": count,
        "targetNodeCount": count,
        "nodeStateCounts": {f"{state}NodeCount": count if state == "idle" else 0 for state in NODE_STATES},
        "allocationState": "Steady",
        "allocationStateTransitionTime": now(),
        "remoteLoginPortPublicAccess": "Enabled" if login == "NotSpecified" else login,
        "propertyBag": {},
    }


def _instance(properties: Document, previous: Document) -> Document:
    given = object_in(properties, "properties")
    policy = text_in(given, "applicationSharingPolicy")
    unknown = (
        "subnet",
        "sshSettings",
        "autologgerSettings",
        "errors",
        "connectivityEndpoints",
        "applications",
        "lastOperation",
        "personalComputeInstanceSettings",
        "setupScripts",
        "dataMounts",
        "dataDisks",
        "containers",
        "updateStatus",
        "versions",
        "customServices",
        "osImageMetadata",
    )
    settings = {
        **dict.fromkeys(unknown),
        "computeInstanceAuthorizationType": "personal",
        "enableNodePublicIp": True,
        **_set(given),
        # Recorded 2023: the default is not there yet, even if it is given.
        "applicationSharingPolicy": policy if policy != SHARED else None,
        "vmSize": _vm_size(given),
        "state": object_in(previous, "properties").get("state"),
        "createdBy": {"userOrgId": str(uuid.uuid4()), "userId": str(uuid.uuid4())},
    }
    return {"computeType": "ComputeInstance", "properties": settings}


def _running(name: str, location: str, settings: Document) -> Document:
    """Return what an instance's machine adds. It has no notebook server."""
    login = {"sshPublicAccess": "Disabled", "adminUserName": "azureuser", "sshPort": 4000, "adminPublicKey": None}
    host = f"https://{name}.{location}.instances.azureml.ms"
    return {
        "sshSettings": {**login, **_set(object_in(settings, "sshSettings"))},
        "errors": [],
        "connectivityEndpoints": {"publicIpAddress": None, "privateIpAddress": None},
        "applicationSharingPolicy": settings["applicationSharingPolicy"] or SHARED,
        "applications": [
            {"displayName": "Jupyter", "endpointUri": f"{host}/tree/"},
            {"displayName": "Jupyter Lab", "endpointUri": f"{host}/lab"},
        ],
        "state": settings["state"] or "Running",
        "lastOperation": {
            "operationName": "Create",
            "operationTime": now(),
            "operationStatus": "Succeeded",
            "operationTrigger": "User",
        },
        "versions": {"runtime": None},
        "customServices": [],
        "osImageMetadata": {
            "currentImageVersion": OS_IMAGE,
            "latestImageVersion": OS_IMAGE,
            "isLatestOsImageVersion": True,
        },
    }


def _vm_size(given: Document) -> str:
    """Return a VM size as the service writes it; case does not matter."""
    asked = given.get("vmSize") or "Standard_DS3_v2"
    found = next((size["name"] for size in VM_SIZES if size["name"].lower() == str(asked).lower()), None)
    if found is None:
        raise bad_request(
            f"VM size {asked!r} is not emulated; choose one of {', '.join(size['name'] for size in VM_SIZES)}."
        )
    return str(found).upper()


def _set(given: Document) -> Document:
    return {name: value for name, value in given.items() if value is not None}


async def list_computes(request: Request) -> Response:
    """List computes."""
    return page(request, context_of(request).store.list_collection(arm_path(request)))


async def get(request: Request) -> Response:
    """GET a compute."""
    return JSONResponse(get_resource(request, arm_path(request)))


async def delete(request: Request) -> Response:
    """DELETE or detach a compute."""
    context = context_of(request)
    compute_id = arm_path(request)
    if context.store.get(compute_id) is None:
        return Response(status_code=204)
    context.store.set_properties(compute_id, provisioningState="Deleting")
    return compute_response(request, context.operations.start(DELETE, compute_id))


async def list_nodes(request: Request) -> Response:
    """List a cluster's nodes; its minimum number of nodes exists, all idle."""
    compute = get_resource(request, parent(arm_path(request)))
    if compute["properties"]["computeType"] != "AmlCompute":
        raise bad_request(f"The compute {compute['name']} is not a cluster.")
    count = compute["properties"]["properties"]["currentNodeCount"]
    nodes = [
        {
            "nodeId": f"{compute['name']}-{number}",
            "port": FIRST_PORT + number,
            "publicIpAddress": None,
            "privateIpAddress": None,
            "nodeState": "idle",
        }
        for number in range(count)
    ]
    return JSONResponse({"computeType": "AmlCompute", "nodes": nodes})


async def act(request: Request) -> Response:
    """Start, stop or restart a compute instance."""
    compute = get_resource(request, parent(arm_path(request)))
    if compute["properties"]["computeType"] != "ComputeInstance":
        raise bad_request(f"The compute {compute['name']} is not an instance; only instances start and stop.")
    action = arm_path(request).rsplit("/", 1)[-1]
    return compute_response(request, context_of(request).operations.start(f"{action}-compute", compute["id"]))


routes = [
    Route("/computes", list_computes),
    Route("/computes/{name}", get, methods=["GET"]),
    Route("/computes/{name}", put, methods=["PUT"]),
    Route("/computes/{name}", delete, methods=["DELETE"]),
    Route("/computes/{name}/listNodes", list_nodes, methods=["POST"]),
    *(Route(f"/computes/{{name}}/{action}", act, methods=["POST"]) for action in ACTIONS),
]
