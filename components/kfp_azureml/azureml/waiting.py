"""Wait for operations and resources of Azure, with progress in the log and a deadline."""

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
from kfp_azureml.runtime.polling import pauses
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from azure.core.polling import LROPoller

Result = TypeVar("Result")

LOOK_SECONDS = 1.0  # between checks of the SDK's poller, which itself polls as `PollPace` says
REPORT_SECONDS = 30.0  # longest time without a line in the log
SETTLE_SECONDS = 5.0  # before an attempt after a conflict
SHOW_SECONDS = 60.0  # how long Azure may answer 404 for a new resource
REFUSALS = 5  # attempts while Azure reports a conflict and no operation seems to run

_IN_FLIGHT = frozenset({"creating", "updating", "deleting", "scaling", "provisioning"})


@dataclass(frozen=True)
class Deadline:
    """The deadline for everything that a step waits for.

    Attributes:
        seconds: The step's timeout.
        look_at: Where the user can see the state, such as a studio link.
    """

    seconds: float
    look_at: str
    started: float = field(default_factory=lambda: time.monotonic())

    @property
    def elapsed(self) -> float:
        """Seconds since the step started to wait."""
        return time.monotonic() - self.started

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.seconds - self.elapsed)

    def check(self, what: str, state: str, operation: str = "") -> None:
        """Raise an error after the deadline.

        Args:
            what: The resource for the message, such as `deployment v3`.
            state: Its last known state.
            operation: URL of the operation's status; empty if unknown.

        Raises:
            DeploymentError: If the deadline has passed.
        """
        if self.elapsed > self.seconds:
            ask = f", or query the operation: az rest --method get --url '{operation}'" if operation else ""
            raise DeploymentError(
                f"{what}: still {state} after {_duration(self.elapsed)} (timeout_seconds={self.seconds:g}); "
                f"Azure continues the operation, see {self.look_at}{ask}"
            )


def run_operation(
    what: str,
    begin: Callable[[], LROPoller[Result] | None],
    state: Callable[[], str | None],
    deadline: Deadline,
) -> Result | None:
    """Start a long-running operation and wait until it ends.

    It waits for another operation on the resource first, repeats a lost request, and waits for the resource's own state
    if the operation or its result cannot be read. So `begin` may be called repeatedly and has to check what exists.

    Args:
        what: The resource for the log, such as `deployment v3`.
        begin: Starts the operation; returns None if there is nothing to do.
        state: Reads the resource's provisioning state; None if it does not exist.
        deadline: The deadline.

    Returns:
        The resource after the operation; None if there was nothing to do or the resource was deleted.

    Raises:
        AzureError: If the operation failed.
        DeploymentError: If the deadline has passed.
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
                progress(f"{what}: cannot read its operation: {first_line(error)}")
                if missing:
                    _wait_until_shown(what, state)
                wait_until_settled(what, state, deadline)
        # A request whose response was lost may have started the operation.
        wait_until_settled(what, state, deadline)
        return None


def shown(what: str, read: Callable[[], Result], is_whole: Callable[[Result], bool] = lambda _found: True) -> Result:
    """Read a new resource, which Azure may not return completely, or at all, for a while.

    Args:
        what: The resource for the log, such as `endpoint e`.
        read: Reads it.
        is_whole: Tells whether the resource is complete.

    Returns:
        The resource; incomplete only if it stays so for `SHOW_SECONDS`.

    Raises:
        AzureError: If reading fails; ResourceNotFoundError if it does not appear within `SHOW_SECONDS`.
    """
    until = time.monotonic() + SHOW_SECONDS
    pause = pauses()
    while True:
        try:
            found = retrying(f"reading {what}", read)
        except ResourceNotFoundError:
            if time.monotonic() >= until:
                raise
        else:
            if is_whole(found) or time.monotonic() >= until:
                return found
        progress(f"{what}: not visible in Azure yet")
        time.sleep(next(pause))


def wait_until_settled(what: str, state: Callable[[], str | None], deadline: Deadline) -> str | None:
    """Wait until no operation of any client changes a resource.

    Returns:
        The final provisioning state, such as `Succeeded` or `Failed`; None if the resource does not exist.

    Raises:
        DeploymentError: If the deadline has passed.
    """
    log = _StateLog(what, deadline)
    pause = pauses()
    while True:
        current = _read(what, state)
        if not is_in_flight(current):
            return current
        log.report(current)
        deadline.check(what, current)
        time.sleep(next(pause))


def is_in_flight(state: str | None) -> TypeGuard[str]:
    """Tell whether a provisioning state is transitional, such as `Updating`."""
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
            # Azure reports a conflict for some seconds even after the last operation succeeded.
            refusals = 0 if is_in_flight(_read(what, state)) else refusals + 1
            if refusals == REFUSALS:
                raise
            progress(f"{what}: waiting for another operation on it")
            time.sleep(SETTLE_SECONDS)
            wait_until_settled(what, state, deadline)


def _wait_until_shown(what: str, state: Callable[[], str | None]) -> None:
    until = time.monotonic() + SHOW_SECONDS
    pause = pauses()
    while _read(what, state) is None and time.monotonic() < until:
        time.sleep(next(pause))


def _read(what: str, state: Callable[[], str | None]) -> str | None:
    with azure_errors(f"reading the state of {what}", DeploymentError):
        return retrying(f"reading the state of {what}", state)


def _wait(what: str, poller: LROPoller[Result], deadline: Deadline) -> Result:
    log = _StateLog(what, deadline)
    while not poller.done():
        log.report(poller.status())
        deadline.check(what, poller.status(), _operation_address(poller))
        # In the SDK `result(timeout)` raises AttributeError when it times out; `wait` does not.
        poller.wait(LOOK_SECONDS)
    result = poller.result()
    log.report("Succeeded")
    return result


def _operation_address(poller: LROPoller[Result]) -> str:
    """Return the URL of an operation's status, which the SDK does not expose."""
    method = poller.polling_method()
    return method._operation.get_polling_url() if isinstance(method, LROBasePolling) else ""


class _StateLog:
    """Logs a state with a link when it changes, and without the link every `REPORT_SECONDS`."""

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
