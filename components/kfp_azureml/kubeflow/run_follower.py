"""Follow a run on Kubeflow until it ends, and print the states of its steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kfp_azureml.kubeflow.api_error_messages import NotTheApiError, api_errors, is_transient, reason
from kfp_azureml.kubeflow.task_details import ENDED, SUCCESSFUL, is_settled, step_states
from kfp_azureml.runtime.errors import KubeflowError, PipelineError
from kfp_azureml.runtime.polling import pauses
from kfp_azureml.runtime.step_line import name_width, step_line

if TYPE_CHECKING:
    from kfp import Client

OUTAGE_SECONDS = 300.0
"""How long the server may be unavailable, in seconds, before following ends; the run continues."""

SETTLE_SECONDS = 10.0
"""How long to wait for the final states of the steps after the run's, in seconds."""

_CANCEL_STATES = ("CANCELING", "CANCELED")


@dataclass(frozen=True)
class RunOutcome:
    """Outcome of a run.

    Attributes:
        run: The run as last read from the server.
        state: Its final state.
        cancelled: Whether it was terminated; Kubeflow reports it as FAILED.
    """

    run: Any
    state: str
    cancelled: bool


@dataclass
class RunFollower:
    """Follows one run.

    Attributes:
        client: The connected client.
        host: The server's URL, for errors.
        run_id: The run.
        steps: The steps' names by the names of their tasks.
        say: Prints a line.
    """

    client: Client
    host: str
    run_id: str
    steps: dict[str, str]
    say: Callable[[str], None]
    _shown: set[tuple[str, str]] = field(default_factory=set)

    def follow(self, timeout: float) -> RunOutcome:
        """Wait until the run ends and print changes of its steps' states.

        Args:
            timeout: Timeout in seconds; the run continues after it.

        Raises:
            PipelineError: If the run did not end in time.
            KubeflowError: If the server stays unavailable or rejects a request.
        """
        started = time.monotonic()
        pause = pauses()
        cancelled = False
        while True:
            run = self._ask(started + timeout)
            if run is not None:
                self._show_steps(run)
                # CANCELING appears in the server's history later, or never (run_store.go, TerminateRun).
                cancelled |= run.state in _CANCEL_STATES
                if run.state in ENDED:
                    break
            left = started + timeout - time.monotonic()
            if left <= 0:
                state = (run is not None and run.state) or "unknown"
                raise PipelineError(f"the run did not end within {timeout:g} s (state: {state}); it continues")
            time.sleep(min(next(pause), left))
        cancelled |= any(past.state in _CANCEL_STATES for past in run.state_history or [])
        return RunOutcome(self._settled(run), str(run.state), cancelled=cancelled and run.state not in SUCCESSFUL)

    def _settled(self, run: Any) -> Any:
        """Read the ended run again, at least once, until its tasks have ended or `SETTLE_SECONDS` have passed."""
        deadline = time.monotonic() + SETTLE_SECONDS
        for pause in pauses():
            time.sleep(pause)
            try:
                with api_errors(f"reading run {self.run_id}, which has ended", self.host):
                    run = self.client.get_run(self.run_id)
            except KubeflowError:
                settled = False  # the outcome is known
            else:
                self._show_steps(run)
                settled = is_settled(run)
            if settled or time.monotonic() >= deadline:
                break
        return run

    def _ask(self, deadline: float) -> Any:
        """Read the run, retrying while the server is unavailable; None if it still is at the deadline."""
        from kfp_server_api import ApiException
        from urllib3.exceptions import HTTPError

        away_since = None
        pause = pauses()
        while True:
            try:
                return self.client.get_run(self.run_id)
            except (ApiException, HTTPError, NotTheApiError) as error:
                now = time.monotonic()
                if not is_transient(error) or now - (away_since or now) >= OUTAGE_SECONDS:
                    with api_errors(f"reading run {self.run_id}, which continues", self.host):
                        raise
                if away_since is None:
                    self.say(f"Kubeflow is unavailable: {reason(error)}; retrying for {OUTAGE_SECONDS:g} s")
                    away_since = now
                if now >= deadline:
                    return None
                time.sleep(max(0.0, min(next(pause), deadline - now, away_since + OUTAGE_SECONDS - now)))

    def _show_steps(self, run: Any) -> None:
        width = name_width(self.steps.values())
        for step, now in step_states(run, self.steps).items():
            if now.state != "PENDING" and (step, now.state) not in self._shown:
                self._shown.add((step, now.state))
                self.say(step_line(step, _word(now.state), now.seconds, now.message, width=width))


def _word(state: str) -> str:
    # Spelled as by `kfp-azureml run`.
    return {"CANCELED": "cancelled", "CANCELING": "cancelling"}.get(state, state.lower())
