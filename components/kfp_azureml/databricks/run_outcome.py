"""What a run did: state and output of each task, and the errors for the log."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kfp_azureml.databricks.api_errors import advice_for
from kfp_azureml.databricks.retries import FAILURES, retrying
from kfp_azureml.databricks.run_states import (
    SUCCESS,
    is_accepted,
    is_over,
    life_cycle_state,
    result_state,
    state_message,
)
from kfp_azureml.runtime.errors import DatabricksError, first_line
from kfp_azureml.runtime.terminal import short

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import Run, RunOutput, RunTask

_LONGEST_TRACE = 20_000  # characters in the log
_NOT_RUN = ("UPSTREAM_FAILED", "UPSTREAM_CANCELED", "EXCLUDED", "DISABLED")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskOutcome:
    """The end of a task.

    Attributes:
        task_key: The task.
        run_id: The task's own run.
        life_cycle_state: Such as `TERMINATED`.
        result_state: Such as `SUCCESS`.
        notebook_output_result: What the notebook passed to `dbutils.notebook.exit`; empty without.
        notebook_output_truncated: Whether Databricks cut it, at 5 MB.
        error: The error's message; empty without.
        logs: Standard output of a script, JAR or wheel, of which Databricks keeps the last 5 MB.
    """

    task_key: str
    run_id: str
    life_cycle_state: str
    result_state: str
    notebook_output_result: str = ""
    notebook_output_truncated: bool = False
    error: str = ""
    logs: str = ""


@dataclass(frozen=True)
class Outcome:
    """The end of a run.

    Attributes:
        run_id: The run.
        job_id: Its job, also of a submitted run.
        number_in_job: Its number, counted from 1 in its job.
        run_name: Its name.
        run_page_url: Its page in the workspace.
        life_cycle_state: Such as `TERMINATED`.
        result_state: Such as `SUCCESS`.
        error: The errors of the failed tasks in one line; empty without.
        tasks: Its tasks, as they ended.
    """

    run_id: str
    job_id: str
    number_in_job: int
    run_name: str
    run_page_url: str
    life_cycle_state: str
    result_state: str
    error: str
    tasks: list[TaskOutcome]

    @property
    def notebook(self) -> TaskOutcome | None:
        """The last task with a notebook's output; None if there is none."""
        with_output = [task for task in self.tasks if task.notebook_output_result]
        return with_output[-1] if with_output else None

    @property
    def notebook_outputs(self) -> dict[str, str]:
        """The notebooks' outputs by task."""
        return {task.task_key: task.notebook_output_result for task in self.tasks if task.notebook_output_result}


def read_outcome(client: WorkspaceClient, run: Run) -> Outcome:
    """Read the outputs of a run's tasks, and log the error and trace of each that failed."""
    tasks = [_task_outcome(client, task) for task in _last_attempts(run.tasks or ())]
    errors = [
        f"task {task.task_key}: {task.error}" for task in tasks if task.error and task.result_state not in _NOT_RUN
    ]
    return Outcome(
        run_id=str(run.run_id),
        job_id=str(run.job_id or ""),
        number_in_job=run.number_in_job or 0,
        run_name=run.run_name or "",
        run_page_url=run.run_page_url or "",
        life_cycle_state=life_cycle_state(run),
        result_state=result_state(run),
        error="; ".join(errors) or _words(run),
        tasks=tasks,
    )


def check_outcome(outcome: Outcome, run: Run, accepted: Iterable[str]) -> None:
    """Raise an error if a run's result does not count as success.

    Raises:
        DatabricksError: If it does not.
    """
    if is_accepted(run, accepted):
        return
    advice = advice_for(outcome.error)
    reason = outcome.error.rstrip(".") or "Databricks gives no reason"
    raise DatabricksError(
        f"run {outcome.run_id}: {outcome.result_state}: {short(reason)}"
        f"{f': {advice}' if advice else ''}, {outcome.run_page_url}"
    )


def _last_attempts(tasks: Iterable[RunTask]) -> Iterator[RunTask]:
    """Yield the last attempt of each task; repairs and retries add attempts."""
    last: dict[str, RunTask] = {}
    for task in tasks:
        known = last.get(task.task_key)
        if known is None or (task.attempt_number or 0) >= (known.attempt_number or 0):
            last[task.task_key] = task
    yield from last.values()


def _task_outcome(client: WorkspaceClient, task: RunTask) -> TaskOutcome:
    output = _read_output(client, task) if is_over(task) and result_state(task) not in _NOT_RUN else None
    error = _error(task, output)
    if error and result_state(task) not in _NOT_RUN:
        trace = ((output.error_trace if output else "") or "")[-_LONGEST_TRACE:]
        text = f"{error}\n{trace}".rstrip()
        logger.error("task %s (run %s) %s: %s", task.task_key, task.run_id, result_state(task), text)
    notebook = output.notebook_output if output else None
    return TaskOutcome(
        task_key=task.task_key,
        run_id=str(task.run_id),
        life_cycle_state=life_cycle_state(task),
        result_state=result_state(task),
        notebook_output_result=(notebook.result or "") if notebook else "",
        notebook_output_truncated=bool(notebook and notebook.truncated),
        error=error,
        logs=(output.logs or "") if output else "",
    )


def _error(task: RunTask, output: RunOutput | None) -> str:
    if result_state(task) == SUCCESS:
        return ""
    said = (output.error if output else "") or _words(task)
    return said or result_state(task)


def _words(run: Run | RunTask) -> str:
    """Return what Databricks says about a failure; empty on success."""
    if result_state(run) == SUCCESS:
        return ""
    details = run.status.termination_details if run.status else None
    code = details.code.value if details and details.code else ""
    message = (details.message if details else "") or state_message(run.state)
    return ": ".join(filter(None, (code, message)))


def _read_output(client: WorkspaceClient, task: RunTask) -> RunOutput | None:
    """Read a task's output; return None if that fails, since the task has ended as it has."""
    what = f"reading the output of task {task.task_key}"
    try:
        return retrying(what, lambda: client.jobs.get_run_output(task.run_id or 0))
    except FAILURES as error:
        logger.warning("%s: %s", what, first_line(error))
        return None
