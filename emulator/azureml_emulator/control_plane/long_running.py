"""Responses that start a long-running operation, and the URLs to poll it.

As recorded from the service from 2022 to 2025. It sends no `Retry-After`; the setting `retry_after` adds one.
"""

from __future__ import annotations

from enum import StrEnum

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.arm.operations import Operation, Status
from azureml_emulator.context import context_of
from azureml_emulator.control_plane.lookup import arm_path
from azureml_emulator.host_names import MANAGEMENT_HOST
from azureml_emulator.store import Document

API_VERSION = "2023-04-01-preview"
LOCATIONS = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
NOT_ENDED = "0001-01-01T00:00:00+00:00"


class Kind(StrEnum):
    """What an operation is on; its name in URLs begins so: `oe:WORKSPACE:OPERATION`."""

    ONLINE_ENDPOINT = "oe"
    ONLINE_DEPLOYMENT = "od"
    BATCH_ENDPOINT = "bebes"
    BATCH_DEPLOYMENT = "bdbes"
    JOB = "job"  # not recorded


WITHOUT_TIMES = (Kind.BATCH_ENDPOINT, Kind.BATCH_DEPLOYMENT)


def created(request: Request, operation: Operation, kind: Kind, resource: Document) -> Response:
    """Return the response to a PUT that continues in the background: 201, also if the resource existed."""
    headers = {
        "Azure-AsyncOperation": status_url(request, operation, kind),
        "Location": f"https://{MANAGEMENT_HOST}{resource['id']}?api-version={api_version(request)}",
        "x-ms-async-operation-timeout": "PT30M",
        **_retry_after(request),
    }
    return JSONResponse(resource, 201, headers=headers)


def accepted(request: Request, operation: Operation, kind: Kind) -> Response:
    """Return the response to a DELETE or POST that continues in the background."""
    headers = {
        "Azure-AsyncOperation": status_url(request, operation, kind),
        "Location": _url(request, f"mfeOperationResults/{_name(request, operation, kind)}"),
        "x-ms-async-operation-timeout": "PT30M",
        **_retry_after(request),
    }
    return Response(status_code=202, headers=headers)


def compute_response(request: Request, operation: Operation, compute: Document | None = None) -> Response:
    """Return the response to a request that changes a compute in the background.

    Args:
        request: The request.
        operation: The operation it started.
        compute: The compute after a PUT; None after a DELETE or an action.
    """
    url = f"{_url(request, f'computeOperationsStatus/{operation.id}')}&service=new"
    headers = {"Azure-AsyncOperation": url, **_retry_after(request)}
    if compute is None:
        return Response(status_code=202, headers=headers)
    return JSONResponse(compute, 201, headers=headers)


def status_url(request: Request, operation: Operation, kind: Kind) -> str:
    """Return the URL of an operation's status, with the API version of the request that started it."""
    return _url(request, f"mfeOperationsStatus/{_name(request, operation, kind)}")


def api_version(request: Request) -> str:
    """Return the API version of a request."""
    return request.query_params.get("api-version") or API_VERSION


async def get_status(request: Request) -> Response:
    """GET an operation's status."""
    operation = _find(request)
    return JSONResponse(_document(request, operation), headers=_pace(request, operation))


async def get_result(request: Request) -> Response:
    """GET the result of an operation: once it has ended, its status."""
    operation = _find(request)
    if operation.status is Status.IN_PROGRESS:
        return Response(status_code=202, headers={"Location": str(request.url), **_pace(request, operation)})
    return JSONResponse(_document(request, operation))


async def get_compute_status(request: Request) -> Response:
    """GET the status of an operation on a compute."""
    operation = _find(request)
    document: Document = {"status": operation.status}
    if operation.status is not Status.IN_PROGRESS:
        document["percentComplete"] = 100.0
    return JSONResponse(_with_error(document, operation), headers=_pace(request, operation))


def _document(request: Request, operation: Operation) -> Document:
    name = request.path_params["operation"]
    is_running = operation.status is Status.IN_PROGRESS
    # It is Updating whatever the operation does.
    document = {"id": arm_path(request), "name": name, "status": "Updating" if is_running else operation.status}
    if name.partition(":")[0] not in WITHOUT_TIMES:
        document |= {
            "startTime": operation.started,
            "endTime": operation.ended or NOT_ENDED,
            "percentComplete": 0.0 if is_running else 100.0,
        }
    return _with_error(document, operation)


def _with_error(document: Document, operation: Operation) -> Document:
    return document if operation.error is None else {**document, "error": operation.error}


def _find(request: Request) -> Operation:
    name = request.path_params["operation"]
    operation = context_of(request).operations.get(name.rpartition(":")[2])
    if operation is None:
        raise ArmError(404, "OperationNotFound", f"Operation {name!r} does not exist.")
    return operation


def _name(request: Request, operation: Operation, kind: Kind) -> str:
    context = context_of(request)
    workspace = context.store.get(context.settings.workspace_id)
    assert workspace is not None  # noqa: S101 - it always exists
    return f"{kind}:{workspace['properties']['workspaceId']}:{operation.id}"


def _url(request: Request, path: str) -> str:
    settings = context_of(request).settings
    location = LOCATIONS.format(subscription=settings.subscription_id, location=settings.location)
    return f"https://{MANAGEMENT_HOST}{location}/{path}?api-version={api_version(request)}"


def _pace(request: Request, operation: Operation) -> dict[str, str]:
    return _retry_after(request) if operation.status is Status.IN_PROGRESS else {}


def _retry_after(request: Request) -> dict[str, str]:
    seconds = context_of(request).settings.retry_after
    return {} if seconds is None else {"Retry-After": str(seconds)}


routes = [
    Route(f"{LOCATIONS}/mfeOperationsStatus/{{operation}}", get_status),
    Route(f"{LOCATIONS}/mfeOperationResults/{{operation}}", get_result),
    Route(f"{LOCATIONS}/computeOperationsStatus/{{operation}}", get_compute_status),
]
