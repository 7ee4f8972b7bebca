"""Batch endpoints: they score folders, with a default or a named deployment."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from azureml_emulator.arm.errors import bad_request
from azureml_emulator.arm.resources import object_in
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane.endpoint_resources import (
    NAME_PATTERN,
    NAME_RULE,
    build_resource,
    get,
    list_endpoints,
    start_delete,
)
from azureml_emulator.control_plane.http import read_resource
from azureml_emulator.control_plane.long_running import Kind, api_version, created
from azureml_emulator.control_plane.lookup import arm_path, check_name
from azureml_emulator.control_plane.provisioning import refuse_taken_name
from azureml_emulator.store import Document

PUT, DELETE = "put-batch-endpoint", "delete-batch-endpoint"
CREATED_WITH = "BatchEndpointCreationApiVersion"
"""A user property that the service adds."""


def define_operations(context: Context) -> None:
    """Define the long-running operations on batch endpoints."""

    async def finish_put(endpoint_id: str) -> None:
        name = endpoint_id.rsplit("/", 1)[1].lower()
        address = f"https://{name}.{context.settings.location}.inference.ml.azure.com"
        context.store.set_properties(endpoint_id, scoringUri=f"{address}/jobs")

    async def finish_delete(endpoint_id: str) -> None:
        context.store.delete(endpoint_id)

    context.operations.define(PUT, finish_put)
    context.operations.define(DELETE, finish_delete)


async def put(request: Request) -> Response:
    """Create or replace an endpoint.

    The response of an update shows the default deployment as it was (recorded 2022).
    """
    context = context_of(request)
    endpoint_id = arm_path(request)
    name = request.path_params["endpoint"]
    check_name("a batch endpoint", name, NAME_PATTERN, NAME_RULE)
    body, properties = await read_resource(request)
    previous = context.store.get(endpoint_id)
    state = context.transitions.begin_put(previous)
    refuse_taken_name(context, f"onlineEndpoints/{name}")
    if str(properties.get("authMode")).lower() != "aadtoken":
        raise bad_request("The 'authMode' of a batch endpoint must be AADToken.")
    before = previous["properties"] if previous else {}
    resource = build_resource(
        request,
        body,
        {
            "description": properties.get("description"),
            "properties": {
                **object_in(properties, "properties"),
                CREATED_WITH: object_in(before, "properties").get(CREATED_WITH) or api_version(request),
                "azureml.onlineendpointid": endpoint_id,
            },
            # A new endpoint has no address until it is provisioned.
            "scoringUri": before.get("scoringUri"),
            "swaggerUri": None,
            "authMode": "AADToken",
            "defaults": _defaults(context, endpoint_id, properties),
            "provisioningState": state,
        },
        previous,
    )
    context.store.put(resource)
    defaults = before.get("defaults") or {"deploymentName": None}
    shown = {**resource, "properties": {**resource["properties"], "defaults": defaults}}
    return created(request, context.operations.start(PUT, endpoint_id), Kind.BATCH_ENDPOINT, shown)


def _defaults(context: Context, endpoint_id: str, properties: Document) -> Document:
    name = object_in(properties, "defaults").get("deploymentName")
    if name and context.store.get(f"{endpoint_id}/deployments/{name}") is None:
        raise bad_request(f"The default deployment {name!r} does not exist.")
    return {"deploymentName": name or None}


async def delete(request: Request) -> Response:
    """DELETE an endpoint with its deployments; the jobs they started stay."""
    if context_of(request).store.get(arm_path(request)) is None:
        return Response(status_code=204)
    return start_delete(request, DELETE, Kind.BATCH_ENDPOINT)


routes = [
    Route("/batchEndpoints", list_endpoints),
    Route("/batchEndpoints/{endpoint}", get, methods=["GET"]),
    Route("/batchEndpoints/{endpoint}", put, methods=["PUT"]),
    Route("/batchEndpoints/{endpoint}", delete, methods=["DELETE"]),
]
