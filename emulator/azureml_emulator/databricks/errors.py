"""Errors in the form of Databricks' REST API.

databricks-sdk chooses the exception by the error code, the status and, for missing runs, jobs and clusters, the text.
"""

from __future__ import annotations

CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "RESOURCE_CONFLICT",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""The usual code for a status."""


class DatabricksError(Exception):
    """An error response.

    Attributes:
        status: The HTTP status.
        code: The error code, such as `RESOURCE_DOES_NOT_EXIST`.
        message: The message for people.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def invalid(message: str) -> DatabricksError:
    """An invalid value in a request."""
    return DatabricksError(400, "INVALID_PARAMETER_VALUE", message)


def does_not_exist(what: str) -> DatabricksError:
    """A missing resource of an API that answers 404."""
    return DatabricksError(404, "RESOURCE_DOES_NOT_EXIST", f"{what} does not exist.")


def already_exists(what: str) -> DatabricksError:
    """A resource that exists already."""
    return DatabricksError(400, "RESOURCE_ALREADY_EXISTS", f"{what} already exists.")


def invalid_state(message: str) -> DatabricksError:
    """A request that the resource's state forbids."""
    return DatabricksError(400, "INVALID_STATE", message)


def not_emulated(what: str) -> DatabricksError:
    """A feature of the real service that is not emulated."""
    return DatabricksError(501, "NOT_IMPLEMENTED", f"Not emulated: {what}.")
