"""Responses that start a long-running operation, and the URLs to poll it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.context import services
from azureml_emulator.control_plane.arm import ArmError
from azureml_emulator.control_plane.operations import Operation, Status
from azureml_emulator.store import Document

API_VERSION = "2023-04-01-preview"
LOCATIONS = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"


def accepted(request: Request, operation: Operation, document: Document | None, status: int) -> Response:
    """Return the response to a request that continues in the background.

    Args:
        request: The request.
        operation: The operation it started.
        document: The response body; None for an empty one.
        status: 200, 201 or 202.
    """
    settings = services(request).settings
    location = LOCATIONS.format(subscription=settings.subscription_id, location=settings.location)
    base = f"https://management.azure.com{location}"
    headers = {
        "Azure-AsyncOperation": f"{base}/mfeOperationsStatus/{operation.id}?api-version={API_VERSION}",
        "Location": f"{base}/mfeOperationResults/{operation.id}?api-version={API_VERSION}",
        "Retry-After": str(settings.retry_after),
        "x-ms-async-operation-timeout": "PT1H",
    }
    if document is None:
        return Response(status_code=status, headers=headers)
    return JSONResponse(document, status, headers=headers)


async def get_status(request: Request) -> Response:
    """GET an operation's status."""
    operation = _find(request)
    return JSONResponse(operation.document(), headers=_pace(request, operation))


async def get_result(request: Request) -> Response:
    """GET the resource of an operation that has ended."""
    operation = _find(request)
    if operation.status is Status.IN_PROGRESS:
        return Response(status_code=202, headers={**_pace(request, operation), "Location": str(request.url)})
    resource = services(request).store.get(operation.resource)
    return Response(status_code=204) if resource is None else JSONResponse(resource)


def _find(request: Request) -> Operation:
    operation = services(request).operations.get(request.path_params["operation"])
    if operation is None:
        raise ArmError(404, "OperationNotFound", f"Operation {request.path_params['operation']!r} does not exist.")
    return operation


def _pace(request: Request, operation: Operation) -> dict[str, str]:
    if operation.status is not Status.IN_PROGRESS:
        return {}
    return {"Retry-After": str(services(request).settings.retry_after)}


routes = [
    Route(f"{LOCATIONS}/mfeOperationsStatus/{{operation}}", get_status),
    Route(f"{LOCATIONS}/mfeOperationResults/{{operation}}", get_result),
]
