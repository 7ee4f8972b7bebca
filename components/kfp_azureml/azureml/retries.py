"""Retry calls to Azure after transient errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from azure.core.exceptions import (
    AzureError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from kfp_azureml.azureml.renewable_credential import forget_tokens
from kfp_azureml.runtime.errors import first_line

Result = TypeVar("Result")

# The SDK itself retries most requests, with pauses of 0.8 s, doubled each time, or as Retry-After says.
SDK_RETRIES = {"retry_total": 5, "retry_backoff_max": 30}
# The SDK does not retry a POST that was throttled or lost its connection, since it may not be idempotent. Ours are.
TRIES = 4
PAUSE_SECONDS = 2.0  # doubled each time
LONGEST_PAUSE_SECONDS = 60.0

_TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})

logger = logging.getLogger(__name__)


def retrying(what: str, call: Callable[[], Result]) -> Result:
    """Make a call to Azure and retry it after transient errors and rejected tokens.

    Args:
        what: The call for the log, such as `reading the key of endpoint e`.
        call: Calls the SDK. It has to be idempotent: a failed call may have taken effect.

    Returns:
        The result of the call.

    Raises:
        AzureError: If the error is not transient, or the last one if all attempts failed.
    """
    for attempt in range(1, TRIES):
        try:
            return call()
        except AzureError as error:
            if not passes(error):
                raise
            pause = _pause(error, attempt)
            logger.warning("%s: %s; retrying in %.0f s", what, first_line(error), pause)
            time.sleep(pause)
    return call()


def passes(error: AzureError) -> bool:
    """Tell whether a retry may succeed; drop cached tokens if Azure rejected one."""
    if is_refused_token(error):
        # Each client of the SDK caches the token until it is rejected, so one call may fail several times.
        forget_tokens()
        return True
    return is_transient(error)


def is_refused_token(error: AzureError) -> bool:
    """Tell whether Azure rejected a request's token."""
    return isinstance(error, HttpResponseError) and error.status_code == 401


def is_transient(error: AzureError) -> bool:
    """Tell whether an error is transient: lost connection, truncated response, throttling or server error."""
    if isinstance(error, DecodeError) or (
        isinstance(error, HttpResponseError) and error.status_code in _TRANSIENT_STATUS
    ):
        return True
    return lost_connection(error) is not None


def lost_connection(error: BaseException) -> AzureError | None:
    """Return the connection error that caused an error; None if there is none.

    azure-identity raises an authentication error for a failed connection.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (ServiceRequestError, ServiceResponseError, IncompleteReadError)):
            return cause
        cause = cause.__cause__
    return None


def _pause(error: AzureError, attempt: int) -> float:
    if is_refused_token(error):
        return 0.0
    asked: float = 0.0
    if isinstance(error, HttpResponseError):
        header = str(getattr(error.response, "headers", {}).get("Retry-After", ""))
        asked = float(header) if header.isdecimal() else 0.0
    return min(max(asked, PAUSE_SECONDS * 2.0 ** (attempt - 1)), LONGEST_PAUSE_SECONDS)
