"""Errors in the form of MLflow's REST API."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class MlflowError(Exception):
    """An error response in MLflow's form.

    Attributes:
        status: The HTTP status.
        code: MLflow's error code, such as `RESOURCE_DOES_NOT_EXIST`.
        message: The message for people.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def invalid(message: str) -> MlflowError:
    """An invalid request."""
    return MlflowError(400, "INVALID_PARAMETER_VALUE", message)


def does_not_exist(what: str) -> MlflowError:
    """A missing resource."""
    return MlflowError(404, "RESOURCE_DOES_NOT_EXIST", f"{what} does not exist.")


def already_exists(what: str) -> MlflowError:
    """A resource that exists already."""
    return MlflowError(400, "RESOURCE_ALREADY_EXISTS", f"{what} already exists.")


def error_response(_request: Request, error: Exception) -> Response:
    """Answer with an MlflowError."""
    assert isinstance(error, MlflowError)  # noqa: S101 - registered for this class
    return JSONResponse({"error_code": error.code, "message": error.message}, error.status)
