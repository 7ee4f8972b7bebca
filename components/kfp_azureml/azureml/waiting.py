"""The one place that waits for Azure: state and elapsed time in the log, an end at a stated time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from azure.core.exceptions import ResourceExistsError

from kfp_azureml.azureml.failures import azure_errors
from kfp_azureml.azureml.workspace import quiet_sdk
from kfp_azureml.errors import DeploymentError
from kfp_azureml.steps import progress

if TYPE_CHECKING:
    from azure.core.polling import LROPoller

Result = TypeVar("Result")

LOOK_SECONDS = 1.0  # how often we look at a running operation; how often Azure is asked, its Retry-After says
REPORT_SECONDS = 30.0  # the longest silence in the log
SETTLE_SECONDS = 5.0  # between two looks at a resource that somebody else is changing
REFUSALS = 5  # how often an operation may be refused while nothing seems to run

IN_FLIGHT = frozenset({"creating", "updating", "deleting", "scaling", "provisioning"})


@dataclass(frozen=True)
class Deadline:
    """The time by which all the waiting of a step has to end.

    Attributes:
        seconds: The whole budget, as the user stated it.
        look_at: Where a person sees the state, such as a studio link.
    """

    seconds: float
    look_at: str
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since the step began to wait."""
        return time.monotonic() - self.started

    def check(self, what: str, state: str) -> None:
        """Raise when time is up.

        Raises:
            DeploymentError: With the operation, its last known state and where to look at it.
        """
        if self.elapsed > self.seconds:
            raise DeploymentError(
                f"{what}: still {state} after {_duration(self.elapsed)} (timeout_seconds={self.seconds:g}); "
                f"Azure goes on with it, look at {self.look_at}"
            )


def run_operation(
    what: str,
    begin: Callable[[], LROPoller[Result]],
    state: Callable[[], str | None],
    deadline: Deadline,
) -> Result:
    """Start a long-running operation and wait for its end.

    Where another operation holds the resource (409), that one is waited for first.

    Args:
        what: The operation for the log, such as `deployment v3`.
        begin: Starts the operation.
        state: Reads the resource's provisioning state; None if it does not exist.
        deadline: When to give up.

    Returns:
        The resource as it is afterwards.

    Raises:
        AzureError: As the SDK raises it, if the operation failed.
        DeploymentError: If time is up.
    """
    with quiet_sdk():
        return _wait(what, _begin(what, begin, state, deadline), deadline)


def wait_until_settled(what: str, state: Callable[[], str | None], deadline: Deadline) -> str | None:
    """Wait while a resource is being changed, whoever does it.

    Returns:
        The settled provisioning state, such as `Succeeded` or `Failed`; None if the resource does not exist.

    Raises:
        DeploymentError: If time is up.
    """
    log = _StateLog(what, deadline)
    while True:
        with azure_errors(f"reading the state of {what}", DeploymentError):
            current = state()
        if current is None or current.lower() not in IN_FLIGHT:
            return current
        log.report(current)
        deadline.check(what, current)
        time.sleep(SETTLE_SECONDS)


def _begin(
    what: str, begin: Callable[[], LROPoller[Result]], state: Callable[[], str | None], deadline: Deadline
) -> LROPoller[Result]:
    refusals = 0
    while True:
        try:
            return begin()
        except ResourceExistsError:
            # Azure refuses for some seconds even right after it called the last operation Succeeded.
            refusals += 1
            if refusals == REFUSALS:
                raise
            progress(f"{what}: waiting for another operation on it")
            time.sleep(SETTLE_SECONDS)
            wait_until_settled(what, state, deadline)


def _wait(what: str, poller: LROPoller[Result], deadline: Deadline) -> Result:
    log = _StateLog(what, deadline)
    while not poller.done():
        log.report(poller.status())
        deadline.check(what, poller.status())
        # `result(timeout)` fails on expiry with an AttributeError of the SDK's own; `wait` does not.
        poller.wait(LOOK_SECONDS)
    result = poller.result()
    log.report("Succeeded")
    return result


class _StateLog:
    """Logs a state when it changes, and now and then while it does not."""

    def __init__(self, what: str, deadline: Deadline) -> None:
        self._what = what
        self._deadline = deadline
        self._last = ""
        self._reported = 0.0

    def report(self, state: str) -> None:
        now = time.monotonic()
        if state == self._last and now - self._reported < REPORT_SECONDS:
            return
        self._last, self._reported = state, now
        progress(f"{self._what}: {state}, {_duration(self._deadline.elapsed)} elapsed")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
