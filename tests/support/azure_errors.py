"""Errors as the Azure SDK raises them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from azure.core.exceptions import HttpResponseError


def response_error(
    status: int,
    error: Mapping[str, Any] | None = None,
    kind: type[HttpResponseError] = HttpResponseError,
    headers: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
) -> HttpResponseError:
    """Return the SDK's exception for an error response.

    Args:
        status: HTTP status.
        error: The ARM error in the body; None for an empty body.
        kind: The SDK's exception class.
        headers: Response headers.
        body: The whole body, if it has more than an error.
    """
    text = json.dumps(body if body is not None else {"error": error} if error else {})
    response = SimpleNamespace(status_code=status, reason="reason", text=lambda: text, headers=dict(headers or {}))
    return kind(response=response)


def arm_error(code: str, message: str = "what the service says", details: object = ()) -> dict[str, Any]:
    """Return an error object of Azure Resource Manager."""
    return {"code": code, "message": message, "details": list(details)}  # type: ignore[call-overload]
