"""What is done again when Azure, or the way to it, failed for a moment; and what is not."""

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

# The SDK itself repeats most requests: this often, with pauses of 0.8 s, doubled each time, or what Retry-After says.
SDK_RETRIES = {"retry_total": 5, "retry_backoff_max": 30}
# But no POST that lost its connection or was throttled, since it cannot know what that would do twice. We can.
TRIES = 4
PAUSE_SECONDS = 2.0  # doubled each time
LONGEST_PAUSE_SECONDS = 60.0

_TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})

logger = logging.getLogger(__name__)


def retrying(what: str, call: Callable[[], Result]) -> Result:
    """Make a call to Azure, and make it again while its failure is one of the moment.

    A refused token counts as such: the next call comes with a new one.

    Args:
        what: The call for the log, such as `reading the key of endpoint e`.
        call: Calls the SDK. It may have had its effect, whole or in part, when it is called again.

    Returns:
        What the call returns.

    Raises:
        AzureError: As the SDK raises it; the last one where all failed.
    """
    for attempt in range(1, TRIES):
        try:
            return call()
        except AzureError as error:
            if not passes(error):
                raise
            pause = _pause(error, attempt)
            logger.warning("%s: %s; again in %.0f s", what, first_line(error), pause)
            time.sleep(pause)
    return call()


def passes(error: AzureError) -> bool:
    """Say whether the same call may succeed in a moment; a token that was refused is forgotten, for a new one."""
    if is_refused_token(error):
        # Each of the SDK's clients keeps the token, and drops it when it is refused: one call may meet several.
        forget_tokens()
        return True
    return is_transient(error)


def is_refused_token(error: AzureError) -> bool:
    """Say whether Azure refused the token that came with a request."""
    return isinstance(error, HttpResponseError) and error.status_code == 401


def is_transient(error: AzureError) -> bool:
    """Say whether a failure may be gone in a moment: no connection, a cut answer, throttling, trouble of the server."""
    if isinstance(error, DecodeError) or (
        isinstance(error, HttpResponseError) and error.status_code in _TRANSIENT_STATUS
    ):
        return True
    return lost_connection(error) is not None


def lost_connection(error: BaseException) -> AzureError | None:
    """Return the failed connection behind an error, if that is what it is.

    The identity library wraps a failed connection as a failed authentication.
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
