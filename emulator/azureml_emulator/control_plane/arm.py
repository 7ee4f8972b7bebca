"""How Azure Resource Manager speaks: errors, resources, requests."""

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
    """A refusal in ARM's shape.

    Attributes:
        status: The HTTP status.
        code: ARM's error code, such as `ResourceNotFound`; empty for none, which clients see as null.
        message: What is wrong, for a person.
        headers: More response headers.
        target: What is wrong: a property, a query parameter or a resource.
        details: Errors below this one, as `error` objects.
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
        """The `error` object of a response body or of a failed operation."""
        return {
            "code": self.code or None,
            "message": self.message,
            **({"target": self.target} if self.target else {}),
            "details": [error.document() for error in self.details],
            "additionalInfo": [],
        }


def bad_request(message: str, target: str | None = None) -> ArmError:
    """A request that cannot be right."""
    return ArmError(400, "BadRequest", message, target=target)


def not_found(resource_id: str) -> ArmError:
    """A resource that is not there."""
    return ArmError(404, "ResourceNotFound", f"The resource {resource_id} was not found.", target=resource_id)


def conflict(message: str, target: str | None = None) -> ArmError:
    """A request that the resource's state forbids."""
    return ArmError(409, "Conflict", message, target=target)


def not_emulated(what: str) -> ArmError:
    """Something the real service can do and the emulator cannot."""
    return ArmError(501, "NotImplementedByEmulator", f"The emulator does not have this: {what}.")


def error_response(_request: Request, error: Exception) -> Response:
    """Show an ArmError to the client."""
    assert isinstance(error, ArmError)  # noqa: S101 - registered for this class
    return JSONResponse({"error": error.document()}, error.status, headers=error.headers)


def routing_error_response(request: Request, error: Exception) -> Response:
    """Say which route is missing, in ARM's shape."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    route = f"{request.method} https://{request.url.hostname}{request.url.path}"
    return error_response(request, not_emulated(route))


def internal_error_response(request: Request, error: Exception) -> Response:
    """A fault of the emulator's own, in ARM's shape; its traceback is in the emulator's log."""
    return error_response(request, ArmError(500, "InternalServerError", f"{type(error).__name__}: {error}"))


def now() -> str:
    """The current time as ARM writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def new_resource(
    resource_id: str, properties: Document, *, previous: Document | None = None, **top_level: Any
) -> Document:
    """Build a resource in ARM's shape.

    Args:
        resource_id: Its ARM id; name and type follow from it.
        properties: What is its own.
        previous: The resource it replaces: the time of creation stays.
        top_level: More fields beside `properties`, such as `location`.

    Returns:
        The resource.
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
    """Read a property that is an object.

    Args:
        properties: Where it is, or is not.
        name: Its name.

    Returns:
        The object; empty when it is missing or null.

    Raises:
        ArmError: 400, if it is anything else.
    """
    value = properties.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request(f"{name!r} must be an object, not {value!r}.", target=name)
    return value


def text_in(properties: Document, name: str) -> str | None:
    """Read a property that is a string.

    Args:
        properties: Where it is, or is not.
        name: Its name.

    Returns:
        The string; None when it is missing or null.

    Raises:
        ArmError: 400, if it is anything else.
    """
    value = properties.get(name)
    if value is not None and not isinstance(value, str):
        raise bad_request(f"{name!r} must be a string, not {value!r}.", target=name)
    return value


async def read_body(request: Request) -> Document:
    """Read a request's JSON object.

    Args:
        request: The request; an empty body counts as an empty object.

    Returns:
        The object.

    Raises:
        ArmError: If the body is anything else.
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
    """Read the resource in a request.

    Args:
        request: A PUT or PATCH.

    Returns:
        The whole body, and its `properties`.

    Raises:
        ArmError: If there is no `properties` object.
    """
    body = await read_body(request)
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise bad_request("The request body has no 'properties' object.")
    return body, properties
