"""Requests and error responses in Azure Resource Manager's form."""

from __future__ import annotations

import uuid

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from azureml_emulator import strict_json
from azureml_emulator.arm.errors import ArmError, bad_request, not_emulated
from azureml_emulator.arm.resources import now
from azureml_emulator.context import context_of
from azureml_emulator.store import Document


async def read_body(request: Request) -> Document:
    """Read a request's JSON object; an empty body is an empty object.

    Raises:
        ArmError: 400, if the body is anything else.
    """
    content = await request.body()
    try:
        body = strict_json.loads(content or b"{}")
    except ValueError as error:
        raise bad_request(f"The request body is not JSON: {error}.") from None
    if not isinstance(body, dict):
        raise bad_request("The request body must be a JSON object.")
    return body


async def read_resource(request: Request) -> tuple[Document, Document]:
    """Read the resource of a PUT or PATCH; return the body and its `properties`.

    Raises:
        ArmError: 400, if there is no `properties` object.
    """
    body = await read_body(request)
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise bad_request("The request body has no 'properties' object.")
    return body, properties


def created(request: Request, resource: Document) -> Response:
    """Answer 201, with the address of the resource itself (recorded 2022 to 2024)."""
    url = f"https://{request.url.hostname}{request.url.path}"
    if request.url.query:
        url = f"{url}?{request.url.query}"
    return JSONResponse(resource, 201, headers={"Location": url})


def error_response(request: Request, error: Exception) -> Response:
    """Answer with an ArmError: the gateway's, or the service's with where it comes from (recorded 2022 to 2024)."""
    assert isinstance(error, ArmError)  # noqa: S101 - registered for this class
    document = error.document()
    if error.gateway:
        origin = {"x-ms-failure-cause": "gateway"}
    else:
        origin = {"x-ms-response-type": "error"}
        location = context_of(request).settings.location
        document["additionalInfo"] = [
            {"type": name, "info": {"value": value}}
            for name, value in (
                ("ComponentName", "managementfrontend"),
                ("Correlation", correlation()),
                ("Environment", location),
                ("Location", location),
                ("Time", now()),
            )
        ]
    return JSONResponse({"error": document}, error.status, headers={**origin, **(error.headers or {})})


def correlation() -> Document:
    """Return new ids of an operation and a request, as errors of the service name them."""
    return {"operation": uuid.uuid4().hex, "request": uuid.uuid4().hex[:16]}


def routing_error_response(request: Request, error: Exception) -> Response:
    """Answer a request that has no route."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    route = f"{request.method} https://{request.url.hostname}{request.url.path}"
    return error_response(request, not_emulated(route))


def internal_error_response(request: Request, error: Exception) -> Response:
    """Answer after an internal error; its traceback is in the emulator's log."""
    return error_response(request, ArmError(500, "InternalServerError", f"{type(error).__name__}: {error}"))
