"""Batch endpoints: they score folders, with a default or a named deployment."""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.context import Services, services
from azureml_emulator.control_plane.arm import bad_request, conflict, new_resource, object_in, read_resource
from azureml_emulator.control_plane.long_running import accepted
from azureml_emulator.control_plane.lookup import arm_path, check_name, get_resource
from azureml_emulator.control_plane.online_endpoints import NAME_PATTERN, NAME_RULE
from azureml_emulator.store import Document

PUT, DELETE = "put-batch-endpoint", "delete-batch-endpoint"


def define_operations(parts: Services) -> None:
    """Define the long-running operations on batch endpoints."""

    async def finish_put(endpoint_id: str) -> None:
        parts.store.set_properties(endpoint_id, provisioningState="Succeeded")

    async def finish_delete(endpoint_id: str) -> None:
        parts.store.delete(endpoint_id)

    parts.operations.define(PUT, finish_put)
    parts.operations.define(DELETE, finish_delete)


async def put(request: Request) -> Response:
    """Create or replace an endpoint."""
    parts = services(request)
    endpoint_id = arm_path(request)
    name = request.path_params["endpoint"]
    check_name("a batch endpoint", name, NAME_PATTERN, NAME_RULE)
    body, properties = await read_resource(request)
    previous = parts.store.get(endpoint_id)
    parts.transitions.refuse_if_busy(previous)
    if parts.store.get(f"{parts.settings.workspace_id}/onlineEndpoints/{name}"):
        raise conflict(f"An online endpoint {name!r} exists: endpoint names are unique in a region.")
    if str(properties.get("authMode")).lower() != "aadtoken":
        raise bad_request("The 'authMode' of a batch endpoint must be AADToken.")
    address = f"https://{name.lower()}.{parts.settings.location}.inference.ml.azure.com"
    identity = {"type": "SystemAssigned", "principalId": str(uuid.uuid4()), "tenantId": parts.settings.tenant_id}
    resource = new_resource(
        endpoint_id,
        {
            "description": properties.get("description"),
            "authMode": "AADToken",
            "properties": object_in(properties, "properties"),
            "defaults": _defaults(parts, endpoint_id, properties),
            "scoringUri": f"{address}/jobs",
            "swaggerUri": f"{address}/swagger.json",
            "provisioningState": "Updating" if previous else "Creating",
        },
        previous=previous,
        location=body.get("location") or parts.settings.location,
        tags=object_in(body, "tags"),
        identity=previous["identity"] if previous else identity,
    )
    parts.store.put(resource)
    return accepted(request, parts.operations.start(PUT, endpoint_id), resource, 200 if previous else 201)


def _defaults(parts: Services, endpoint_id: str, properties: Document) -> Document:
    name = object_in(properties, "defaults").get("deploymentName")
    if name and parts.store.get(f"{endpoint_id}/deployments/{name}") is None:
        raise bad_request(f"The default deployment {name!r} does not exist.")
    return {"deploymentName": name or None}


async def list_endpoints(request: Request) -> Response:
    """List endpoints."""
    return JSONResponse({"value": services(request).store.list_collection(arm_path(request))})


async def get(request: Request) -> Response:
    """GET an endpoint."""
    return JSONResponse(get_resource(request, arm_path(request)))


async def delete(request: Request) -> Response:
    """DELETE an endpoint with its deployments; the jobs they started stay."""
    parts = services(request)
    endpoint_id = arm_path(request)
    if parts.store.get(endpoint_id) is None:
        return Response(status_code=204)
    parts.store.set_properties(endpoint_id, provisioningState="Deleting")
    return accepted(request, parts.operations.start(DELETE, endpoint_id), None, 202)


routes = [
    Route("/batchEndpoints", list_endpoints),
    Route("/batchEndpoints/{endpoint}", get, methods=["GET"]),
    Route("/batchEndpoints/{endpoint}", put, methods=["PUT"]),
    Route("/batchEndpoints/{endpoint}", delete, methods=["DELETE"]),
]
