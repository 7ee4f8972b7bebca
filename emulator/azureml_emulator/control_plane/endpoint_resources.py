"""What online and batch endpoints and their deployments have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from azureml_emulator.arm.resources import new_resource, object_in
from azureml_emulator.arm.transitions import State
from azureml_emulator.context import context_of
from azureml_emulator.control_plane.listing import page
from azureml_emulator.control_plane.long_running import Kind, accepted
from azureml_emulator.control_plane.lookup import arm_path, get_resource, parent
from azureml_emulator.store import Document

NAME_PATTERN = r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]"
NAME_RULE = "3 to 32 letters, digits and '-', a letter first, no '-' last"
OPERATION_PROPERTY = "AzureAsyncOperationUri"
"""The user property in which online endpoints and deployments show their last operation."""
SYSTEM_DATA = ("createdAt", "createdBy", "lastModifiedAt")


def build_resource(
    request: Request, body: Document, properties: Document, previous: Document | None, **top_level: Any
) -> Document:
    """Build the resource of a PUT.

    Args:
        request: The request.
        body: Its body, for location and tags.
        properties: The resource's `properties`.
        previous: The resource it replaces.
        top_level: More fields beside `properties`, such as `kind`.
    """
    resource = new_resource(
        arm_path(request),
        properties,
        previous=previous,
        tags=object_in(body, "tags"),
        location=body.get("location") or context_of(request).settings.location,
        **top_level,
    )
    return {**resource, "systemData": {name: resource["systemData"][name] for name in SYSTEM_DATA}}


def spelled(value: object, names: Iterable[str]) -> object:
    """Return an enumeration's name in the service's case; a value that is none of the names stays as it is."""
    return next((name for name in names if str(value).lower() == name.lower()), value)


async def get(request: Request) -> Response:
    """GET an endpoint or a deployment."""
    return JSONResponse(get_resource(request, arm_path(request)))


async def list_endpoints(request: Request) -> Response:
    """List endpoints."""
    return page(request, context_of(request).store.list_collection(arm_path(request)))


async def list_deployments(request: Request) -> Response:
    """List the deployments of an endpoint."""
    get_resource(request, parent(arm_path(request)))
    return page(request, context_of(request).store.list_collection(arm_path(request)))


def start_delete(request: Request, work: str, kind: Kind) -> Response:
    """Start a deletion and cancel the operations in progress on the resource and below it.

    A deletion that is in progress goes on: whoever waits for it must not read that it was cancelled.
    """
    context = context_of(request)
    resource_id = arm_path(request)
    if running := context.operations.running(work, resource_id):
        return accepted(request, running, kind)
    context.operations.cancel(resource_id)
    context.transitions.move(resource_id, State.DELETING)
    return accepted(request, context.operations.start(work, resource_id), kind)
