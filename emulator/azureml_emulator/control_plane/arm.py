"""Azure Resource Manager's formats: errors, resources, requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from azureml_emulator import strict_json
from azureml_emulator.store import Document

PROVIDER = "Microsoft.MachineLearningServices"


class ArmError(Exception):
    """An error response in ARM's format.

    Attributes:
        status: The HTTP status.
        code: ARM's error code, such as `ResourceNotFound`; empty for null.
        message: The message for a person.
        headers: More response headers.
        target: The property, query parameter or resource at fault.
        details: Nested errors.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        target: str | None = None,
        details: Sequence[ArmError] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
        self.target = target
        self.details = details

    def document(self) -> Document:
        """Return the `error` object of a response body or of a failed operation."""
        return {
            "code": self.code or None,
            "message": self.message,
            **({"target": self.target} if self.target else {}),
            "details": [error.document() for error in self.details],
            "additionalInfo": [],
        }


def bad_request(message: str, target: str | None = None) -> ArmError:
    """Return a 400: the request is invalid."""
    return ArmError(400, "BadRequest", message, target=target)


def not_found(resource_id: str) -> ArmError:
    """Return a 404: the resource does not exist."""
    return ArmError(404, "ResourceNotFound", f"The resource {resource_id} was not found.", target=resource_id)


def conflict(message: str, target: str | None = None) -> ArmError:
    """Return a 409: the resource's state forbids the request."""
    return ArmError(409, "Conflict", message, target=target)


def not_emulated(what: str) -> ArmError:
    """Return a 501: the real service has this, the emulator does not."""
    return ArmError(501, "NotImplementedByEmulator", f"Not emulated: {what}.")


def error_response(_request: Request, error: Exception) -> Response:
    """Return an ArmError as a response."""
    assert isinstance(error, ArmError)  # noqa: S101 - registered for this class
    return JSONResponse({"error": error.document()}, error.status, headers=error.headers)


def routing_error_response(request: Request, error: Exception) -> Response:
    """Return a 501 that names the missing route."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    route = f"{request.method} https://{request.url.hostname}{request.url.path}"
    return error_response(request, not_emulated(route))


def internal_error_response(request: Request, error: Exception) -> Response:
    """Return a 500 for a bug in the emulator; its log has the traceback."""
    return error_response(request, ArmError(500, "InternalServerError", f"{type(error).__name__}: {error}"))


def now() -> str:
    """Return the current time in ARM's format."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def new_resource(
    resource_id: str, properties: Document, *, previous: Document | None = None, **top_level: Any
) -> Document:
    """Build a resource in ARM's format.

    Args:
        resource_id: Its ARM id; name and type follow from it.
        properties: Its `properties`.
        previous: The resource it replaces; the creation time is kept.
        top_level: Fields beside `properties`, such as `location`.
    """
    below_provider = resource_id.split(f"/providers/{PROVIDER}/")[1].split("/")
    created = previous["systemData"]["createdAt"] if previous else now()
    return {
        "id": resource_id,
        "name": below_provider[-1],
        "type": "/".join([PROVIDER, *below_provider[::2]]),
        "properties": properties,
        "systemData": {
            "createdAt": created,
            "createdBy": "azureml-emulator",
            "createdByType": "Application",
            "lastModifiedAt": now(),
            "lastModifiedBy": "azureml-emulator",
            "lastModifiedByType": "Application",
        },
        **top_level,
    }


def object_in(properties: Document, name: str) -> Document:
    """Return an object property; empty if it is missing or null.

    Raises:
        ArmError: 400, if it is not an object.
    """
    value = properties.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request(f"{name!r} must be an object, not {value!r}.", target=name)
    return value


def text_in(properties: Document, name: str) -> str | None:
    """Return a string property; None if it is missing or null.

    Raises:
        ArmError: 400, if it is not a string.
    """
    value = properties.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_request(f"{name!r} must be a string, not {value!r}.", target=name)
    return value


async def read_body(request: Request) -> Document:
    """Return a request's JSON object; empty for an empty body.

    Raises:
        ArmError: 400, if the body is not a JSON object.
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
    """Return the body of a PUT or PATCH, and its `properties`.

    Raises:
        ArmError: 400, if there is no `properties` object.
    """
    body = await read_body(request)
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise bad_request("The request body has no 'properties' object.")
    return body, properties
