"""Failures as the Azure SDK raises them."""

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
    """Return an answer that is an error.

    Args:
        status: Its HTTP status.
        error: What Azure Resource Manager says in it; None: nothing.
        kind: The class that the SDK has for it.
        headers: The answer's headers.
        body: The whole answer, where it is more than an error.
    """
    text = json.dumps(body if body is not None else {"error": error} if error else {})
    response = SimpleNamespace(status_code=status, reason="reason", text=lambda: text, headers=dict(headers or {}))
    return kind(response=response)


def arm_error(code: str, message: str = "what the service says", details: object = ()) -> dict[str, Any]:
    """Return an error in the words of Azure Resource Manager."""
    return {"code": code, "message": message, "details": list(details)}  # type: ignore[call-overload]
