"""Retry requests to Databricks after transient errors."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from typing import TypeVar

import requests
from azure.core.exceptions import AzureError
from databricks.sdk.clock import Clock
from databricks.sdk.errors import (
    DeadlineExceeded,
    InternalError,
    TemporarilyUnavailable,
    TooManyRequests,
    Unauthenticated,
)
from databricks.sdk.errors.base import DatabricksError

from kfp_azureml.azureml.renewable_credential import forget_tokens
from kfp_azureml.azureml.retries import is_refused_token
from kfp_azureml.azureml.retries import is_transient as azure_is_transient
from kfp_azureml.runtime.errors import first_line

Result = TypeVar("Result")

REQUEST_SECONDS = 600.0  # how long a request is retried
PAUSE_SECONDS = 2.0  # doubled each time
LONGEST_PAUSE_SECONDS = 60.0
_REFUSALS = 2  # rejected tokens in a row before the credentials are at fault

# SDK errors are OSErrors, and so are those of requests.
FAILURES = (OSError, AzureError)

logger = logging.getLogger(__name__)


class SingleAttempt(Clock):
    """A clock with which the SDK makes each request once and leaves retries to `retrying`.

    By itself it resends any request, also one that created something and whose answer was lost.
    """

    def __init__(self) -> None:
        self._now = 0.0

    def time(self) -> float:
        """Return a time that only advances when the SDK pauses."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Advance beyond the SDK's deadline, whatever it is."""
        self._now += seconds + 1e6


def retrying(what: str, call: Callable[[], Result], for_seconds: float | None = None) -> Result:
    """Make an idempotent request and retry it after transient errors and rejected tokens.

    Args:
        what: The request for the log, such as `reading run 12`.
        call: Calls the SDK. It has to be idempotent: a failed call may have taken effect.
        for_seconds: How long to retry; None selects `REQUEST_SECONDS`.

    Returns:
        The result of the call.

    Raises:
        OSError: If the error is not transient, or the last one when the time is over.
        AzureError: Likewise, from the credentials.
    """
    until = time.monotonic() + (REQUEST_SECONDS if for_seconds is None else for_seconds)
    refusals = 0
    for attempt in itertools.count(1):
        try:
            return call()
        except FAILURES as raised:
            error = cause_of(raised)
            if isinstance(error, Unauthenticated) or (isinstance(error, AzureError) and is_refused_token(error)):
                refusals += 1
                if refusals > _REFUSALS:
                    raise error from None
                forget_tokens()
                continue
            pause = _pause(error, attempt)
            if not is_transient(error) or time.monotonic() + pause > until:
                raise error from None
            logger.warning("%s: %s; retrying in %.0f s", what, first_line(error), pause)
            time.sleep(pause)
    raise AssertionError  # the loop has no end


def cause_of(error: BaseException) -> BaseException:
    """Return the error of the request for which the SDK raised a TimeoutError of its retries."""
    is_wrapped = isinstance(error, TimeoutError) and not isinstance(error, (DatabricksError, requests.RequestException))
    return error.__cause__ if is_wrapped and error.__cause__ is not None else error


def is_transient(error: BaseException) -> bool:
    """Tell whether a request may succeed later, such as after a lost connection or a 503."""
    if isinstance(error, AzureError):
        return azure_is_transient(error)
    if isinstance(error, DatabricksError):
        # The SDK has no class for 502 and 408, nor for a proxy's page.
        return type(error) is DatabricksError or isinstance(
            error, (TooManyRequests, InternalError, TemporarilyUnavailable, DeadlineExceeded)
        )
    return isinstance(
        error,
        (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
            requests.exceptions.JSONDecodeError,
            ConnectionError,
            TimeoutError,
        ),
    )


def _pause(error: BaseException, attempt: int) -> float:
    asked = float(getattr(error, "retry_after_secs", None) or 0.0)
    return min(max(asked, PAUSE_SECONDS * 2.0 ** min(attempt - 1, 10)), LONGEST_PAUSE_SECONDS)
