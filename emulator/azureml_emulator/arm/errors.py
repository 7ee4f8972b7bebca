"""Errors in Azure Resource Manager's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from azureml_emulator.store import Document


class ArmError(Exception):
    """An error response in ARM's form.

    Attributes:
        status: The HTTP status.
        code: ARM's error code, such as `ResourceNotFound`; empty for null.
        message: The message for people.
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
        """The `error` object of a response body or of a failed operation."""
        return {
            "code": self.code or None,
            "message": self.message,
            **({"target": self.target} if self.target else {}),
            "details": [error.document() for error in self.details],
            "additionalInfo": [],
        }


def bad_request(message: str, target: str | None = None) -> ArmError:
    """An invalid request."""
    return ArmError(400, "BadRequest", message, target=target)


def not_found(resource_id: str) -> ArmError:
    """A missing resource."""
    return ArmError(404, "ResourceNotFound", f"The resource {resource_id} was not found.", target=resource_id)


def conflict(message: str, target: str | None = None) -> ArmError:
    """A request that the resource's state forbids."""
    return ArmError(409, "Conflict", message, target=target)


def not_emulated(what: str) -> ArmError:
    """A feature of the real service that is not emulated."""
    return ArmError(501, "NotImplementedByEmulator", f"Not emulated: {what}.")
