"""States of a run's steps, from its task details in Kubeflow's API ("rows").

The rows are the nodes of the Argo workflow, 34 to 51 for our pipeline. `prep` is a step, `prep(0)` its first attempt;
other rows are `prep-driver`, `executor`, the groups and the workflow. A row without a state did not run; a row without
a name is a cached result.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kfp_azureml.runtime.terminal import short

ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")
SUCCESSFUL = ("SUCCEEDED", "SKIPPED")
_IN_PROGRESS = ("CANCELING", "RUNNING", "PAUSED", "PENDING")
# A step with several rows, such as in a loop, has the first of these states that one of its rows has.
_WEIGHT = (*_IN_PROGRESS, "FAILED", "CANCELED", "SUCCEEDED", "SKIPPED")
_DRIVER = "-driver"


@dataclass(frozen=True)
class StepState:
    """State of a step.

    Attributes:
        state: One of Kubeflow's states.
        seconds: Its duration; None if it has not ended or the times are unknown.
        message: Its error, if its row has one.
    """

    state: str
    seconds: float | None
    message: str


def tasks(run: Any) -> list[Any]:
    """Return a run's rows."""
    return (run.run_details and run.run_details.task_details) or []


def step_states(run: Any, steps: dict[str, str]) -> dict[str, StepState]:
    """Return the states of the started steps by name, in the order in which they ended.

    Args:
        run: The run.
        steps: The steps' names by the names of their tasks.
    """
    rows: dict[str, list[Any]] = {}
    # The server lists them in random order.
    for row in sorted(tasks(run), key=_times):
        if row.display_name in steps and row.state in _WEIGHT:
            rows.setdefault(steps[row.display_name], []).append(row)
    return {step: _together(of_step) for step, of_step in rows.items()}


def failed_row(run: Any, steps: dict[str, str]) -> Any | None:
    """Return the first failed row: a step, else a driver, else any with an error; None if none failed."""
    failed = [row for row in tasks(run) if row.state == "FAILED" and row.display_name]
    candidates: tuple[Iterable[Any], ...] = (
        (row for row in failed if row.display_name.removesuffix(_DRIVER) in steps),
        (row for row in failed if row.display_name.endswith(_DRIVER)),
        (row for row in failed if error_message(row)),
    )
    for rows in candidates:
        if first := min(rows, key=_times, default=None):
            return first
    return None


def name_of(row: Any, steps: dict[str, str]) -> str:
    """Return the step of a row, also of its driver's row, else the row's name."""
    name = short(row.display_name)
    return steps.get(name) or steps.get(name.removesuffix(_DRIVER)) or name


def error_message(row: Any) -> str:
    """Return the error of a row or of its history; empty if it has none, as in 2.17."""
    past = [status.error for status in reversed(row.state_history or [])]
    return next((short(error.message) for error in (row.error, *past) if error and error.message), "")


def deepest_message(row: Any, rows: list[Any]) -> str:
    """Return the error of a row, else that of its descendants."""
    if message := error_message(row):
        return message
    children = {child.task_id for child in row.child_tasks or [] if child.task_id}
    rest = [other for other in rows if other is not row]
    inside = [
        other
        for other in rest
        if other.task_id and (other.task_id in children or (row.task_id and other.parent_task_id == row.task_id))
    ]
    messages = (deepest_message(other, rest) for other in inside if other.state == "FAILED")
    return next(filter(None, messages), "")


def is_settled(run: Any) -> bool:
    """Tell whether no row is still running or pending."""
    return not any(row.state in _IN_PROGRESS for row in tasks(run))


def _together(rows: list[Any]) -> StepState:
    state = min((row.state for row in rows), key=_WEIGHT.index)
    if state == "PENDING" and any(row.state != "PENDING" for row in rows):
        state = "RUNNING"
    starts = [when for row in rows if (when := _known(row.start_time))]
    ends = [when for row in rows if (when := _known(row.end_time))]
    seconds = (max(ends) - min(starts)).total_seconds() if starts and ends and state in ENDED else None
    message = next(filter(None, map(error_message, rows)), "") if state == "FAILED" else ""
    return StepState(state, seconds if seconds is None or seconds >= 0 else None, message)


def _times(row: Any) -> tuple[float, float]:
    """Return a sort key: the time when a row ended, then when it started."""
    ended, began = (_known(when) for when in (row.end_time, row.start_time))
    return (ended.timestamp() if ended else float("inf"), began.timestamp() if began else float("inf"))


def _known(when: datetime | None) -> datetime | None:
    # The server writes 1970-01-01 for no time.
    return when if when and when.timestamp() > 0 else None
