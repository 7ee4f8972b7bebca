"""Retry requests to the Kubernetes API after transient errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from kfp_azureml.engines.api_errors import ApiError

Result = TypeVar("Result")

REQUEST_SECONDS = 600.0  # how long a request is retried
PAUSE_SECONDS = 1.0  # doubled each time
LONGEST_PAUSE_SECONDS = 30.0
_REFUSALS = 3  # rejected tokens in a row before the credentials are at fault

logger = logging.getLogger(__name__)


def retrying(what: str, call: Callable[[], Result], for_seconds: float | None = None) -> Result:
    """Make a request and retry it after transient errors and rejected tokens, which may just have rotated.

    Args:
        what: The request for the log.
        call: Makes the request. A failed one may have taken effect.
        for_seconds: How long to retry; None selects `REQUEST_SECONDS`.

    Returns:
        The result of the call.

    Raises:
        ApiError: If the error is not transient, or the last one when the time is over.
    """
    until = time.monotonic() + (REQUEST_SECONDS if for_seconds is None else for_seconds)
    attempt = refusals = 0
    while True:
        try:
            return call()
        except ApiError as error:
            attempt += 1
            refusals = refusals + 1 if error.status == 401 else 0
            is_rotating = 0 < refusals < _REFUSALS
            pause = min(max(error.retry_after, PAUSE_SECONDS * 2.0 ** min(attempt - 1, 10)), LONGEST_PAUSE_SECONDS)
            if not (error.is_transient or is_rotating) or time.monotonic() + pause > until:
                raise
            logger.warning("%s: %s; retrying in %.0f s", what, error.message, pause)
            time.sleep(pause)
