"""Following a run on Kubeflow until it ends: its steps' states as they change, and why it failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kfp_azureml.errors import PipelineError
from kfp_azureml.kubeflow.failures import api_errors, is_passing, reason, short

if TYPE_CHECKING:
    from kfp import Client

# The first answers come soon after the start; a step of minutes needs no closer look than the second figure.
FIRST_POLL_SECONDS = 0.5
POLL_SECONDS = 5.0
OUTAGE_SECONDS = 300.0
"""How long the server may be away before we stop asking; the run itself goes on without us."""

_ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")
_WELL = ("SUCCEEDED", "SKIPPED")


@dataclass
class Follower:
    """Follows one run.

    Attributes:
        client: The connected client.
        host: The server's address, for errors.
        run_id: The run.
        steps: What to call each step, by the name that its task has in the pipeline.
        say: Prints a line.
    """

    client: Client
    host: str
    run_id: str
    steps: dict[str, str]
    say: Callable[[str], None]
    _shown: dict[str, str] = field(default_factory=dict)

    def follow(self, timeout: float) -> None:
        """Wait until the run ends, and tell what its steps do meanwhile.

        Args:
            timeout: After how many seconds to stop waiting; the run goes on.

        Raises:
            PipelineError: If the run failed or was cancelled, or did not end in time.
            KubeflowError: If the server stays away or refuses to answer.
        """
        started = time.monotonic()
        pause = FIRST_POLL_SECONDS
        while True:
            run = self._ask(started + timeout)
            if run is not None:
                self._show_steps(run)
                if run.state in _ENDED:
                    break
            left = started + timeout - time.monotonic()
            if left <= 0:
                state = run.state if run is not None else "not known"
                raise PipelineError(f"the run did not end within {timeout:g} s (its state is {state}); it goes on")
            time.sleep(min(pause, left))
            pause = _longer(pause)
        if run.state not in _WELL:
            raise PipelineError(
                f"the run {'was ' if run.state == 'CANCELED' else ''}{_word(run.state)}{self._why(run)}"
            )

    def _ask(self, deadline: float) -> Any:
        """Ask for the run, again for a while if the server is away. None: it was still away at the deadline."""
        from kfp_server_api import ApiException
        from urllib3.exceptions import HTTPError

        away_since = None
        pause = FIRST_POLL_SECONDS
        while True:
            try:
                return self.client.get_run(self.run_id)
            except (ApiException, HTTPError) as error:
                now = time.monotonic()
                if not is_passing(error) or now - (away_since or now) >= OUTAGE_SECONDS:
                    with api_errors(f"asking for run {self.run_id}, which goes on", self.host):
                        raise
                if away_since is None:
                    self.say(f"Kubeflow does not answer: {reason(error)}; asking again for {OUTAGE_SECONDS:g} s")
                    away_since = now
                if now >= deadline:
                    return None
                time.sleep(max(0.0, min(pause, deadline - now, away_since + OUTAGE_SECONDS - now)))
                pause = _longer(pause)

    def _show_steps(self, run: Any) -> None:
        for task in self._step_tasks(run):
            state = task.state or "PENDING"
            if state != self._shown.get(task.task_id, "PENDING"):
                self._shown[task.task_id] = state
                seconds = f"{_seconds(task):.1f} s" if state in _ENDED and _seconds(task) is not None else ""
                line = f"  {self.steps[task.display_name]:<20} {_word(state):<10} {seconds:>9}"
                message = _error_message(task) if state == "FAILED" else ""
                self.say(f"{line}  {message}".rstrip())

    def _step_tasks(self, run: Any) -> Iterator[Any]:
        # The server lists drivers, executors and groups beside the steps.
        yield from (task for task in _tasks(run) if task.display_name in self.steps)

    def _why(self, run: Any) -> str:
        if run.state == "CANCELED":
            return ""
        failed = [task for task in self._step_tasks(run) if task.state == "FAILED"]
        failed = failed or [task for task in _tasks(run) if task.state == "FAILED" and _error_message(task)]
        if not failed:
            message = short(run.error.message or "") if run.error else ""
            return f": {message}" if message else ""
        first = min(failed, key=lambda task: task.end_time.timestamp() if task.end_time else float("inf"))
        name = self.steps.get(first.display_name, first.display_name)
        return f": {name}: {_deepest_message(first, _tasks(run)) or 'its log says why'}"


def _longer(pause: float) -> float:
    return min(pause * 1.5, POLL_SECONDS)


def _tasks(run: Any) -> list[Any]:
    return (run.run_details and run.run_details.task_details) or []


def _deepest_message(task: Any, tasks: list[Any]) -> str:
    """Return the error of a task; where it has none, that of what ran inside it."""
    if message := _error_message(task):
        return message
    children = {child.task_id for child in task.child_tasks or []}
    rest = [other for other in tasks if other is not task]
    inside = [other for other in rest if other.task_id in children or other.parent_task_id == task.task_id]
    messages = (_deepest_message(other, rest) for other in inside if other.state == "FAILED")
    return next(filter(None, messages), "")


def _error_message(task: Any) -> str:
    past = [status.error for status in reversed(task.state_history or [])]
    messages = (error.message for error in (task.error, *past) if error and error.message)
    return short(next(messages, ""))


def _seconds(task: Any) -> float | None:
    if not task.start_time or not task.end_time:
        return None
    return float((task.end_time - task.start_time).total_seconds())


def _word(state: str) -> str:
    # In the spelling of `kfp-azureml run`.
    return {"CANCELED": "cancelled", "CANCELING": "cancelling"}.get(state, state.lower())
