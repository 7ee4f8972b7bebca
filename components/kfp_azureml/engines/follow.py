"""Follow a resource's work to its end: states, logs, reasons for waiting, limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kfp_azureml.engines.api import Api
from kfp_azureml.engines.api_errors import ApiError
from kfp_azureml.engines.events import warnings_about
from kfp_azureml.engines.kinds import Kind, Phase, Resource, State
from kfp_azureml.engines.pod_logs import PodLogs, last_lines
from kfp_azureml.engines.pods import exit_reasons, is_running, pods_of, waiting_reasons
from kfp_azureml.engines.refusals import refusals
from kfp_azureml.runtime.errors import KubeflowError
from kfp_azureml.runtime.polling import pauses
from kfp_azureml.runtime.step import progress
from kfp_azureml.runtime.terminal import short

READ_SECONDS = 3600.0  # how long the API server may be away: the work goes on without it
REPORT_SECONDS = 60.0  # longest time without a line in the log
REASON_SECONDS = 15.0  # between questions for the reason of waiting


@dataclass(frozen=True)
class Limits:
    """Limits in seconds; 0 disables one.

    Attributes:
        queue_seconds: For waiting, until all workers run.
        run_seconds: For running.
    """

    queue_seconds: float
    run_seconds: float

    def __post_init__(self) -> None:
        for name, value in (("queue_timeout_seconds", self.queue_seconds), ("timeout_seconds", self.run_seconds)):
            if value < 0:
                raise KubeflowError(f"{name} {value:g}: has to be 0, which disables it, or more")


class LimitError(KubeflowError):
    """A resource's work did not start or end in time."""


def follow(api: Api, kind: Kind, name: str, limits: Limits) -> State:
    """Wait until a resource's work has ended.

    It polls the resource instead of watching it: a lost connection, or a version that is too old, loses nothing.

    Args:
        api: The cluster.
        kind: The kind of resource.
        name: The resource.
        limits: The limits.

    Returns:
        The final state; if the work failed, with the reasons that its pods give.

    Raises:
        LimitError: If a limit has passed. The work goes on.
        KubeflowError: If the resource cannot be read, or was deleted.
    """
    return _Follower(api, kind, name, limits).follow()


class _Follower:
    def __init__(self, api: Api, kind: Kind, name: str, limits: Limits) -> None:
        self._api = api
        self._kind = kind
        self._name = name
        self._what = f"{kind.name} {api.namespace}/{name}"
        self._limits = limits
        self._logs = PodLogs(api, kind)
        self._said: set[str] = set()  # questions that the server does not answer
        self._began = self._phase_began = self._reported = time.monotonic()
        self._phase = Phase.WAITING
        self._last = ""
        self._reasons: list[str] = []
        self._asked = float("-inf")

    def follow(self) -> State:
        pause = pauses()
        while True:
            state = self._state()
            pods = self._ask("pods", lambda: pods_of(self._api, self._kind, self._name))
            self._logs.copy(pods)
            if state.is_over:
                self._report(state, pods)
                return self._explained(state, pods)
            if state.phase is Phase.WAITING:
                self._reasons = self._waiting_reasons(pods)
            self._report(state, pods)
            self._check_limits(state)
            time.sleep(next(pause))

    def _state(self) -> State:
        with refusals(self._api, self._kind, "get", self._name):
            try:
                resource = self._api.get(self._kind.path(self._api.namespace, self._name), READ_SECONDS)
            except ApiError as error:
                if error.status == 404:
                    raise KubeflowError(f"{self._what} was deleted while this step followed it") from None
                raise
        return self._kind.state(resource)

    def _waiting_reasons(self, pods: Sequence[Resource]) -> list[str]:
        if reasons := waiting_reasons(self._kind, pods):
            return reasons
        if time.monotonic() - self._asked < REASON_SECONDS or any(map(is_running, pods)):
            return self._reasons if not pods else []
        self._asked = time.monotonic()
        return self._ask("events", lambda: warnings_about(self._api, self._name))

    def _ask(self, what: str, ask: Callable[[], list[Resource]] | Callable[[], list[str]]) -> list:  # type: ignore[type-arg]
        """Return an answer, or an empty one if there is none; missing rights are said once."""
        try:
            return ask()
        except ApiError as error:
            if error.status == 403 and what not in self._said:
                self._said.add(what)
                progress(f"{self._what}: {what} cannot be listed: kubectl apply -k {self._kind.role} ({error.message})")
            return []

    def _report(self, state: State, pods: Sequence[Resource]) -> None:
        now = time.monotonic()
        if state.phase is not self._phase:
            self._phase, self._phase_began = state.phase, now
        line = self._line(state, pods)
        if line != self._last or now - self._reported >= REPORT_SECONDS:
            self._last, self._reported = line, now
            progress(f"{line}, {now - self._began:.0f} s elapsed")

    def _line(self, state: State, pods: Sequence[Resource]) -> str:
        line = f"{self._what}: {state.phase}" + (f" ({state.message})" if state.message else "")
        if state.phase is Phase.WAITING and pods:
            line += f", {sum(map(is_running, pods))} of {len(pods)} pods running"
        if state.phase is Phase.WAITING and self._reasons:
            line += f"; {'; '.join(self._reasons)}"
        return line

    def _check_limits(self, state: State) -> None:
        waits = state.phase is Phase.WAITING
        limit = self._limits.queue_seconds if waits else self._limits.run_seconds
        elapsed = time.monotonic() - self._phase_began
        if limit and elapsed > limit:
            name = "queue_timeout_seconds" if waits else "timeout_seconds"
            raise LimitError(f"{self._last} for {elapsed:.0f} s ({name}={limit:g})")

    def _explained(self, state: State, pods: Sequence[Resource]) -> State:
        if state.phase is not Phase.FAILED:
            return state
        reasons = [*exit_reasons(self._kind, pods), *last_lines(self._logs, self._kind, pods)]
        return State(state.phase, "; ".join(filter(None, (state.message, *map(short, reasons)))))
