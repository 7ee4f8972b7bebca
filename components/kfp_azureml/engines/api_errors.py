"""Errors of the Kubernetes API, and what to do about them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kfp_azureml.runtime.terminal import short

if TYPE_CHECKING:
    import requests

_TRANSIENT = frozenset({0, 408, 410, 429, 500, 502, 503, 504})
_LONGEST = 600


class ApiError(Exception):
    """A request that the server refused, or to which it did not respond.

    Attributes:
        status: The HTTP status; 0 without a response.
        reason: The reason in the response, such as `AlreadyExists`; may be empty.
        message: One line.
        retry_after: Seconds that the server asks to wait; 0 if it does not.
    """

    def __init__(self, status: int, reason: str, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    @classmethod
    def of(cls, response: requests.Response) -> ApiError:
        """Return the error of a response; a proxy's has no Status object."""
        try:
            body = json.loads(response.content)
        except ValueError:
            body = None
        said = body if isinstance(body, dict) and body.get("kind") == "Status" else {}
        message = short(str(said.get("message") or response.reason or ""), _LONGEST)
        asked = response.headers.get("Retry-After", "")
        return cls(
            response.status_code, str(said.get("reason") or ""), message, float(asked) if asked.isdecimal() else 0.0
        )

    @property
    def is_transient(self) -> bool:
        """Whether a repeated request may succeed: no response, throttling, an error of the server.

        410 means that a list has to be read anew. A 409 without AlreadyExists is a conflict of two updates.
        """
        return self.status in _TRANSIENT or (self.status == 409 and self.reason == "Conflict" and not self.is_of_uid)

    @property
    def is_of_uid(self) -> bool:
        """Whether a deletion was refused since the name belongs to another resource now."""
        return self.status == 409 and "uid" in self.message.lower()

    @property
    def is_of_webhook(self) -> bool:
        """Whether an admission webhook refused the request."""
        return "admission webhook" in self.message

    @property
    def is_of_quota(self) -> bool:
        """Whether a quota of the namespace is used up."""
        return "exceeded quota" in self.message
