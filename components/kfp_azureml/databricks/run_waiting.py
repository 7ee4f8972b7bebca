"""Wait for a run's end, with its state in the log, and limits for waiting and running."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kfp_azureml.databricks.run_reading import read_run
from kfp_azureml.databricks.run_states import is_over, is_waiting, life_cycle_state, state_message
from kfp_azureml.runtime.errors import DatabricksError
from kfp_azureml.runtime.polling import pauses
from kfp_azureml.runtime.step import progress
from kfp_azureml.runtime.terminal import short

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import Run

LONGEST_PAUSE_SECONDS = 15.0
REPORT_SECONDS = 60.0  # longest time without a line in the log
GRACE_SECONDS = 120.0  # for Databricks, which gets the same limit, to end the run first


@dataclass(frozen=True)
class Limits:
    """Limits in seconds; 0 disables one.

    Attributes:
        queue_seconds: For queueing and starting the cluster, until a task runs.
        run_seconds: For running.
    """

    queue_seconds: float
    run_seconds: float

    def __post_init__(self) -> None:
        for name, value in (("queue_timeout_seconds", self.queue_seconds), ("timeout_seconds", self.run_seconds)):
            if value < 0:
                raise DatabricksError(f"{name} {value:g}: has to be 0, which disables it, or more")


class LimitError(DatabricksError):
    """A run did not start or end in time."""


def wait_for_end(client: WorkspaceClient, run: Run, limits: Limits) -> Run:
    """Wait until a run has ended, whatever its result.

    Args:
        client: The workspace's client.
        run: The run as it was read last.
        limits: The limits.

    Returns:
        The run as it ended.

    Raises:
        LimitError: If a limit has passed. The run is still active.
        KfpAzuremlError: If it cannot be read.
    """
    watch = _Watch(limits)
    pause = pauses(LONGEST_PAUSE_SECONDS)
    while True:
        watch.look(run)
        if is_over(run):
            return run
        time.sleep(next(pause))
        run = read_run(client, run.run_id or 0)


class _Watch:
    """Logs a run's states and checks the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._began = self._phase_began = self._reported = time.monotonic()
        self._was_waiting = True
        self._last = ""

    def look(self, run: Run) -> None:
        now, waiting = time.monotonic(), is_waiting(run)
        if waiting != self._was_waiting:
            self._was_waiting, self._phase_began = waiting, now
        states = _states(run)
        if states != self._last or now - self._reported >= REPORT_SECONDS:
            self._last, self._reported = states, now
            progress(f"run {run.run_id}: {states}, {now - self._began:.0f} s elapsed")
        if is_over(run):
            return
        limit, name = self._limits.run_seconds, "timeout_seconds"
        late = limit + GRACE_SECONDS
        if waiting:
            limit, name = self._limits.queue_seconds, "queue_timeout_seconds"
            late = limit
        elapsed = now - self._phase_began
        if limit and elapsed > late:
            said = f" ({short(state_message(run.state))})" if state_message(run.state) else ""
            raise LimitError(f"run {run.run_id}: still {states} after {elapsed:.0f} s ({name}={limit:g}){said}")


def _states(run: Run) -> str:
    """Return the states of a run and, where they differ, of its unfinished tasks."""
    state = life_cycle_state(run) or "in an unknown state"
    tasks = {task.task_key: life_cycle_state(task) for task in run.tasks or () if not is_over(task)}
    others = ", ".join(f"{key} {value}" for key, value in tasks.items() if value not in ("", state))
    return f"{state} ({others})" if others else state
