"""The one place that waits for Azure: state and elapsed time in the log, an end at a stated time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeGuard, TypeVar

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.core.polling.base_polling import LROBasePolling

from kfp_azureml.azureml.azure_errors import azure_errors, is_busy
from kfp_azureml.azureml.retries import TRIES, passes, retrying
from kfp_azureml.azureml.workspace import quiet_sdk
from kfp_azureml.runtime.errors import DeploymentError, first_line
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from azure.core.polling import LROPoller

Result = TypeVar("Result")

LOOK_SECONDS = 1.0  # how often we look at a running operation; how often Azure is asked, its Retry-After says
REPORT_SECONDS = 30.0  # the longest silence in the log
SETTLE_SECONDS = 5.0  # between two looks at a resource that somebody else is changing
SHOW_SECONDS = 60.0  # how long Azure may answer 404 for what was just made
REFUSALS = 5  # how often an operation may be refused while nothing seems to run

_IN_FLIGHT = frozenset({"creating", "updating", "deleting", "scaling", "provisioning"})


@dataclass(frozen=True)
class Deadline:
    """The time by which all the waiting of a step has to end.

    Attributes:
        seconds: The whole budget, as the user stated it.
        look_at: Where a person sees the state, such as a studio link.
    """

    seconds: float
    look_at: str
    started: float = field(default_factory=lambda: time.monotonic())

    @property
    def elapsed(self) -> float:
        """Seconds since the step began to wait."""
        return time.monotonic() - self.started

    @property
    def remaining(self) -> float:
        """Seconds until time is up; not below zero."""
        return max(0.0, self.seconds - self.elapsed)

    def check(self, what: str, state: str, operation: str = "") -> None:
        """Raise when time is up.

        Args:
            what: The operation for the message, such as `deployment v3`.
            state: Its last known state.
            operation: The address at which Azure tells its state, if there is one.

        Raises:
            DeploymentError: With the operation, its last known state and where to look at it.
        """
        if self.elapsed > self.seconds:
            ask = f", or ask for the operation's state: az rest --method get --url '{operation}'" if operation else ""
            raise DeploymentError(
                f"{what}: still {state} after {_duration(self.elapsed)} (timeout_seconds={self.seconds:g}); "
                f"Azure goes on with it, look at {self.look_at}{ask}"
            )


def run_operation(
    what: str,
    begin: Callable[[], LROPoller[Result] | None],
    state: Callable[[], str | None],
    deadline: Deadline,
) -> Result | None:
    """Start a long-running operation and wait for its end.

    Where another operation holds the resource, that one is waited for first; where the request got lost on its way, it
    is sent again; where the running operation or its result cannot be read, the resource's own state is waited for. So
    `begin` may run more than once, and has to look each time at what is there.

    Args:
        what: The operation for the log, such as `deployment v3`.
        begin: Starts the operation; returns None if there is nothing to be done (any more).
        state: Reads the resource's provisioning state; None if it does not exist.
        deadline: When to give up.

    Returns:
        The resource as it is afterwards; None if there was nothing to be done, or nothing is left of it.

    Raises:
        AzureError: As the SDK raises it, if the operation failed.
        DeploymentError: If time is up.
    """
    with quiet_sdk():
        for attempt in itertools.count(1):
            poller = _begin(what, begin, state, deadline)
            if poller is None:
                break
            try:
                return _wait(what, poller, deadline)
            except AzureError as error:
                missing = isinstance(error, ResourceNotFoundError)
                if attempt == TRIES or not (missing or passes(error)):
                    raise
                progress(f"{what}: its operation cannot be read: {first_line(error)}")
                if missing:
                    _wait_until_shown(what, state)
                wait_until_settled(what, state, deadline)
        # What is to be done may be under way by a request whose answer got lost.
        wait_until_settled(what, state, deadline)
        return None


def shown(what: str, read: Callable[[], Result], is_whole: Callable[[Result], bool] = lambda _found: True) -> Result:
    """Read what is there, though Azure may not show it, or not whole, for a while after it was made.

    Args:
        what: What is read for the log, such as `endpoint e`.
        read: Reads it.
        is_whole: Says whether all is there that has to be.

    Returns:
        It, not whole only if that takes too long.

    Raises:
        AzureError: As the SDK raises it; ResourceNotFoundError if it is not there for as long as that may take.
    """
    until = time.monotonic() + SHOW_SECONDS
    while True:
        try:
            found = retrying(f"reading {what}", read)
        except ResourceNotFoundError:
            if time.monotonic() >= until:
                raise
        else:
            if is_whole(found) or time.monotonic() >= until:
                return found
        progress(f"{what}: Azure does not show it yet")
        time.sleep(SETTLE_SECONDS)


def wait_until_settled(what: str, state: Callable[[], str | None], deadline: Deadline) -> str | None:
    """Wait while a resource is being changed, whoever does it.

    Returns:
        The settled provisioning state, such as `Succeeded` or `Failed`; None if the resource does not exist.

    Raises:
        DeploymentError: If time is up.
    """
    log = _StateLog(what, deadline)
    while True:
        current = _read(what, state)
        if not is_in_flight(current):
            return current
        log.report(current)
        deadline.check(what, current)
        time.sleep(SETTLE_SECONDS)


def is_in_flight(state: str | None) -> TypeGuard[str]:
    """Say whether a provisioning state is one that passes by itself, such as `Updating`."""
    return state is not None and state.lower() in _IN_FLIGHT


def _begin(
    what: str, begin: Callable[[], LROPoller[Result] | None], state: Callable[[], str | None], deadline: Deadline
) -> LROPoller[Result] | None:
    refusals = 0
    while True:
        try:
            return retrying(what, begin)
        except HttpResponseError as error:
            if not is_busy(error):
                raise
            # Azure refuses for some seconds even right after it called the last operation Succeeded.
            refusals = 0 if is_in_flight(_read(what, state)) else refusals + 1
            if refusals == REFUSALS:
                raise
            progress(f"{what}: waiting for another operation on it")
            time.sleep(SETTLE_SECONDS)
            wait_until_settled(what, state, deadline)


def _wait_until_shown(what: str, state: Callable[[], str | None]) -> None:
    until = time.monotonic() + SHOW_SECONDS
    while _read(what, state) is None and time.monotonic() < until:
        time.sleep(SETTLE_SECONDS)


def _read(what: str, state: Callable[[], str | None]) -> str | None:
    with azure_errors(f"reading the state of {what}", DeploymentError):
        return retrying(f"reading the state of {what}", state)


def _wait(what: str, poller: LROPoller[Result], deadline: Deadline) -> Result:
    log = _StateLog(what, deadline)
    while not poller.done():
        log.report(poller.status())
        deadline.check(what, poller.status(), _operation_address(poller))
        # `result(timeout)` fails on expiry with an AttributeError of the SDK's own; `wait` does not.
        poller.wait(LOOK_SECONDS)
    result = poller.result()
    log.report("Succeeded")
    return result


def _operation_address(poller: LROPoller[Result]) -> str:
    """Return where Azure tells an operation's state; the SDK keeps it to itself."""
    method = poller.polling_method()
    return method._operation.get_polling_url() if isinstance(method, LROBasePolling) else ""


class _StateLog:
    """Logs a state with the page to look at when it changes, and without it now and then while it does not."""

    def __init__(self, what: str, deadline: Deadline) -> None:
        self._what = what
        self._deadline = deadline
        self._last = ""
        self._reported = 0.0

    def report(self, state: str) -> None:
        now = time.monotonic()
        if state == self._last and now - self._reported < REPORT_SECONDS:
            return
        page = f", {self._deadline.look_at}" if state != self._last else ""
        self._last, self._reported = state, now
        progress(f"{self._what}: {state}, {_duration(self._deadline.elapsed)} elapsed{page}")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
