"""Computes: clusters and instances. Jobs name them but run on this machine.

Attached Kubernetes clusters are in `kubernetes.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm.durations import duration_seconds
from azureml_emulator.arm.errors import bad_request, not_emulated
from azureml_emulator.arm.resources import new_resource, object_in
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


def create_cluster(store: Store, compute_id: str, location: str) -> None:
    """Create a compute cluster."""
    given = {"computeType": "AmlCompute", "properties": {"scaleSettings": {"maxNodeCount": 2}}}
    properties = {**_cluster(given), **_common(given, location), "provisioningState": "Succeeded"}
    store.put(new_resource(compute_id, properties, location=location, tags={}))


def define_operations(context: Context) -> None:
    """Define the long-running operations on computes."""

    async def finish_put(compute_id: str) -> None:
        context.store.set_properties(compute_id, provisioningState="Succeeded")

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
    kind = properties.get("computeType")
    location = str(body.get("location") or context.settings.location)
    match str(kind).lower():
        case "amlcompute":
            completed = _cluster(properties)
        case "computeinstance":
            completed = _instance(properties, object_in(previous or {}, "properties"))
        case "kubernetes":
            completed = kubernetes.cluster_properties(compute_id, properties)
        case _:
            raise not_emulated(f"a compute of type {kind!r}: only AmlCompute, ComputeInstance and Kubernetes")
    if previous and previous["properties"]["computeType"] != completed["computeType"]:
        raise bad_request(f"The compute {previous['name']} is of type {previous['properties']['computeType']}.")
    resource = new_resource(
        compute_id,
        # Also when it changes (recorded 2023).
        {**completed, **_common(properties, location), "provisioningState": "Creating"},
        previous=previous,
        location=location,
        tags=object_in(body, "tags"),
        identity=body.get("identity"),
    )
    context.store.put(resource)
    return compute_response(request, context.operations.start(PUT, compute_id), resource)


def _common(properties: Document, location: str) -> Document:
    return {
        "computeLocation": location,
        "description": properties.get("description"),
        "provisioningErrors": None,
        "isAttachedCompute": properties.get("computeType") == "Kubernetes",
        "disableLocalAuth": bool(properties.get("disableLocalAuth")),
    }


def _cluster(properties: Document) -> Document:
    given = object_in(properties, "properties")
    scale = {**SCALE, **_set(object_in(given, "scaleSettings"))}
    smallest, largest = scale["minNodeCount"], scale["maxNodeCount"]
    if not (isinstance(smallest, int) and isinstance(largest, int) and 0 <= smallest <= largest):
        raise bad_request(f"A cluster cannot have from {smallest!r} to {largest!r} nodes.")
    duration_seconds(scale["nodeIdleTimeBeforeScaleDown"])
    settings = {
        "vmPriority": "Dedicated",
        "osType": "Linux",
        "isolatedNetwork": False,
        "remoteLoginPortPublicAccess": "Disabled",
        **_set(given),
        "vmSize": _vm_size(given),
        "scaleSettings": scale,
        "allocationState": "Steady",
        "currentNodeCount": smallest,
        "targetNodeCount": smallest,
        "nodeStateCounts": {"idleNodeCount": smallest},
    }
    return {"computeType": "AmlCompute", "properties": settings}


def _instance(properties: Document, previous: Document) -> Document:
    given = object_in(properties, "properties")
    settings = {
        "applicationSharingPolicy": "Shared",
        **_set(given),
        "vmSize": _vm_size(given),
        "state": object_in(previous, "properties").get("state") or "Running",
        "sshSettings": {"sshPublicAccess": "Disabled", **_set(object_in(given, "sshSettings"))},
        "errors": [],
    }
    return {"computeType": "ComputeInstance", "properties": settings}


def _vm_size(given: Document) -> str:
    """Return a VM size as the service writes it; case does not matter."""
    asked = given.get("vmSize") or "Standard_DS3_v2"
    found = next((size["name"] for size in VM_SIZES if size["name"].lower() == str(asked).lower()), None)
    if found is None:
        raise bad_request(
            f"VM size {asked!r} is not emulated; choose one of {', '.join(size['name'] for size in VM_SIZES)}."
        )
    return str(found)


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
    nodes = [{"nodeId": f"{compute['name']}-{number}", "nodeState": "idle"} for number in range(count)]
    return JSONResponse({"nodes": nodes})


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
