"""States of a run: waiting, over, accepted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from databricks.sdk.service.jobs import BaseRun, Run, RunState, RunTask

OVER = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
WAITING = ("QUEUED", "PENDING", "BLOCKED", "WAITING_FOR_RETRY")
SUCCESS = "SUCCESS"


def life_cycle_state(run: BaseRun | Run | RunTask) -> str:
    """Return a run's life cycle state, such as `RUNNING`; empty if the SDK does not know it."""
    state = run.state
    return state.life_cycle_state.value if state and state.life_cycle_state else ""


def result_state(run: BaseRun | Run | RunTask) -> str:
    """Return a run's result, such as `FAILED`; empty before its end.

    A run that ended without a result has its life cycle state instead, such as `SKIPPED`.
    """
    state = run.state
    if state and state.result_state:
        return state.result_state.value
    return life_cycle_state(run) if is_over(run) else ""


def is_over(run: BaseRun | Run | RunTask) -> bool:
    """Tell whether a run has ended."""
    return life_cycle_state(run) in OVER


def is_accepted(run: BaseRun | Run | RunTask, accepted: Iterable[str]) -> bool:
    """Tell whether a run ended with a result that counts as success."""
    return is_over(run) and result_state(run) in accepted


def is_waiting(run: Run) -> bool:
    """Tell whether a run is queued or waits for its cluster, so that no task runs."""
    unfinished = [task for task in run.tasks or () if not is_over(task)]
    states = [life_cycle_state(task) for task in unfinished] or [life_cycle_state(run)]
    return life_cycle_state(run) in WAITING or all(state in WAITING for state in states)


def state_message(state: RunState | None) -> str:
    """Return what Databricks says about a state; empty if it says nothing."""
    return " ".join(filter(None, (state.state_message, state.queue_reason))) if state else ""
