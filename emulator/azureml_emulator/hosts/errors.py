"""Error responses in the form of each kind of host."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.arm.resources import now
from azureml_emulator.context import context_of
from azureml_emulator.control_plane import http
from azureml_emulator.databricks.api import routes as databricks_routes
from azureml_emulator.host_names import BLOB_HOST_SUFFIX, DATABRICKS_HOST_SUFFIX, LOGIN_HOST, MANAGEMENT_HOST
from azureml_emulator.hosts.identity import login_error

ARM_CODES = {401: "ExpiredAuthenticationToken", 403: "AuthorizationFailed", 404: "ResourceNotFound"}
BLOB_CODES = {
    401: "InvalidAuthenticationInfo",
    403: "AuthorizationPermissionMismatch",
    404: "BlobNotFound",
    500: "InternalError",
    503: "ServerBusy",
}
# Entra ID's error numbers: missing parameter, expired client secret, throttling, transient error.
LOGIN_ERRORS = {
    400: ("invalid_request", 900144),
    401: ("invalid_client", 7000222),
    429: ("temporarily_unavailable", 90055),
}
LOGIN_FAULT = ("temporarily_unavailable", 90033)
INNER_CODES = {400: "BadArgument", 404: "NotFoundError"}


def error_response(request: Request, error: Exception) -> Response:
    """Answer with an ArmError, in the form of the host that was asked."""
    if request.url.hostname == MANAGEMENT_HOST:
        return http.error_response(request, error)
    assert isinstance(error, ArmError)  # noqa: S101 - registered for this class
    inner = INNER_CODES.get(error.status)
    location = context_of(request).settings.location
    # Recorded 2022, of a batch endpoint's scoring host.
    body = {
        "error": {
            "code": error.code or None,
            "severity": None,
            "message": error.message,
            "messageFormat": None,
            "messageParameters": None,
            "referenceCode": None,
            "detailsUri": None,
            "target": None,
            "details": [detail.document() for detail in error.details],
            "innerError": {"code": inner, "innerError": None} if inner else None,
            "debugInfo": None,
            "additionalInfo": None,
        },
        "correlation": http.correlation(),
        "environment": location,
        "location": location,
        "time": now(),
        "componentName": "managementfrontend",
    }
    return JSONResponse(body, error.status, headers={"x-ms-response-type": "error", **(error.headers or {})})


def routing_error_response(request: Request, error: Exception) -> Response:
    """Answer a request that has no route, in the form of the host that was asked."""
    if _is_databricks(request.url.hostname):
        return databricks_routes.routing_error_response(request, error)
    return http.routing_error_response(request, error)


def internal_error_response(request: Request, error: Exception) -> Response:
    """Answer after an internal error, in the form of the host that was asked; its traceback is in the log."""
    if _is_databricks(request.url.hostname):
        return databricks_routes.show_error(500, "", f"{type(error).__name__}: {error}")
    return http.internal_error_response(request, error)


def _is_databricks(host: str | None) -> bool:
    return (host or "").endswith(DATABRICKS_HOST_SUFFIX)


def host_error(host: str, status: int, code: str, message: str, headers: Mapping[str, str]) -> Response:
    """Build an error response in the form of a host's own errors.

    Args:
        host: The host name.
        status: The HTTP status.
        code: The error code; "" selects the host's usual one for the status.
        message: The message.
        headers: More response headers.
    """
    standard = HTTPStatus(status).phrase.replace(" ", "") if status in set(HTTPStatus) else "Error"
    if host == LOGIN_HOST:
        error, number = LOGIN_ERRORS.get(status, LOGIN_FAULT)
        response = login_error(status, code or error, number, message)
    elif host == MANAGEMENT_HOST:
        refusal = ArmError(status, code or ARM_CODES.get(status, standard), message, gateway=True)
        response = JSONResponse({"error": refusal.document()}, status)
    elif _is_databricks(host):
        response = databricks_routes.show_error(status, code, message)
    elif host.endswith(BLOB_HOST_SUFFIX):
        code = code or BLOB_CODES.get(status, standard)
        content = f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        response = Response(
            f'<?xml version="1.0" encoding="utf-8"?>{content}',
            status,
            {"x-ms-error-code": code},
            "application/xml",
        )
    else:
        response = JSONResponse({"error": {"code": code or standard, "message": message}}, status)
    response.headers.update(headers)
    return response
