"""Batch endpoints: they score folders, with a default or a named deployment."""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm.errors import bad_request, conflict
from azureml_emulator.arm.resources import new_resource, object_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane.http import read_resource
from azureml_emulator.control_plane.long_running import accepted
from azureml_emulator.control_plane.lookup import arm_path, check_name, get_resource
from azureml_emulator.control_plane.online_endpoints import NAME_PATTERN, NAME_RULE
from azureml_emulator.store import Document

PUT, DELETE = "put-batch-endpoint", "delete-batch-endpoint"


def define_operations(context: Context) -> None:
    """Define the long-running operations on batch endpoints."""

    async def finish_put(endpoint_id: str) -> None:
        context.store.set_properties(endpoint_id, provisioningState="Succeeded")

    async def finish_delete(endpoint_id: str) -> None:
        context.store.delete(endpoint_id)

    context.operations.define(PUT, finish_put)
    context.operations.define(DELETE, finish_delete)


async def put(request: Request) -> Response:
    """Create or replace an endpoint."""
    context = context_of(request)
    endpoint_id = arm_path(request)
    name = request.path_params["endpoint"]
    check_name("a batch endpoint", name, NAME_PATTERN, NAME_RULE)
    body, properties = await read_resource(request)
    previous = context.store.get(endpoint_id)
    context.transitions.refuse_if_busy(previous)
    if context.store.get(f"{context.settings.workspace_id}/onlineEndpoints/{name}"):
        raise conflict(f"An online endpoint {name!r} exists: endpoint names are unique in a region.")
    if str(properties.get("authMode")).lower() != "aadtoken":
        raise bad_request("The 'authMode' of a batch endpoint must be AADToken.")
    address = f"https://{name.lower()}.{context.settings.location}.inference.ml.azure.com"
    identity = {"type": "SystemAssigned", "principalId": str(uuid.uuid4()), "tenantId": context.settings.tenant_id}
    resource = new_resource(
        endpoint_id,
        {
            "description": properties.get("description"),
            "authMode": "AADToken",
            "properties": object_in(properties, "properties"),
            "defaults": _defaults(context, endpoint_id, properties),
            "scoringUri": f"{address}/jobs",
            "swaggerUri": f"{address}/swagger.json",
            "provisioningState": "Updating" if previous else "Creating",
        },
        previous=previous,
        location=body.get("location") or context.settings.location,
        tags=object_in(body, "tags"),
        identity=previous["identity"] if previous else identity,
    )
    context.store.put(resource)
    return accepted(request, context.operations.start(PUT, endpoint_id), resource, 200 if previous else 201)


def _defaults(context: Context, endpoint_id: str, properties: Document) -> Document:
    name = object_in(properties, "defaults").get("deploymentName")
    if name and context.store.get(f"{endpoint_id}/deployments/{name}") is None:
        raise bad_request(f"The default deployment {name!r} does not exist.")
    return {"deploymentName": name or None}


async def list_endpoints(request: Request) -> Response:
    """List endpoints."""
    return JSONResponse({"value": context_of(request).store.list_collection(arm_path(request))})


async def get(request: Request) -> Response:
    """GET an endpoint."""
    return JSONResponse(get_resource(request, arm_path(request)))


async def delete(request: Request) -> Response:
    """DELETE an endpoint with its deployments; the jobs they started stay."""
    context = context_of(request)
    endpoint_id = arm_path(request)
    if context.store.get(endpoint_id) is None:
        return Response(status_code=204)
    context.store.set_properties(endpoint_id, provisioningState="Deleting")
    return accepted(request, context.operations.start(DELETE, endpoint_id), None, 202)


routes = [
    Route("/batchEndpoints", list_endpoints),
    Route("/batchEndpoints/{endpoint}", get, methods=["GET"]),
    Route("/batchEndpoints/{endpoint}", put, methods=["PUT"]),
    Route("/batchEndpoints/{endpoint}", delete, methods=["DELETE"]),
]
