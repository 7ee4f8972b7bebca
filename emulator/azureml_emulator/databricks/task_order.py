"""The order of a run's tasks: dependencies, and what their results mean for the next ones and for the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from azureml_emulator.databricks import states
from azureml_emulator.databricks.errors import invalid
from azureml_emulator.databricks.runs import TaskRun
from azureml_emulator.databricks.states import CANCELLATIONS, State
from azureml_emulator.store import Document

RUN_IF = ("ALL_SUCCESS", "AT_LEAST_ONE_SUCCESS", "NONE_FAILED", "ALL_DONE", "AT_LEAST_ONE_FAILED", "ALL_FAILED")


def upstream(task: Document) -> list[str]:
    """Return the keys of the tasks that a task depends on."""
    return [dependency["task_key"] for dependency in task.get("depends_on") or []]


def check_order(tasks: Sequence[Document]) -> None:
    """Check the dependencies of tasks.

    Raises:
        DatabricksError: 400, if a key is there twice, a dependency is missing, or they make a circle.
    """
    keys = [task["task_key"] for task in tasks]
    for key in keys:
        if keys.count(key) > 1:
            raise invalid(f"The task key {key} is used more than once.")
    for task in tasks:
        for missing in set(upstream(task)) - set(keys):
            raise invalid(f"The task {task['task_key']} depends on {missing}, which does not exist.")
    try:
        TopologicalSorter({task["task_key"]: upstream(task) for task in tasks}).prepare()
    except CycleError as error:
        raise invalid(f"The tasks depend on each other in a circle: {' -> '.join(error.args[1])}.") from None


def verdict(task: TaskRun, ended: Mapping[str, State]) -> State | None:
    """Return why a task does not run, given how all it depends on ended; None if it runs."""
    before = [ended[key] for key in upstream(task.settings)]
    if not before:
        return None
    failed = [state.failed for state in before]
    succeeded = [state.result in ("SUCCESS", "SUCCESS_WITH_FAILURES") for state in before]
    canceled = [state.result in CANCELLATIONS for state in before]
    condition = task.settings.get("run_if") or "ALL_SUCCESS"
    if condition == "ALL_SUCCESS":
        if all(succeeded):
            return None
        if any(failed):
            return states.UPSTREAM_FAILED
        return states.UPSTREAM_CANCELED if any(canceled) else states.EXCLUDED
    met = {
        "AT_LEAST_ONE_SUCCESS": any(succeeded),
        "NONE_FAILED": not any(failed) and not any(canceled) and any(succeeded),
        "ALL_DONE": True,
        "AT_LEAST_ONE_FAILED": any(failed),
        "ALL_FAILED": all(failed),
    }[condition]
    return None if met else states.EXCLUDED


def result_of(tasks: Mapping[str, TaskRun]) -> State:
    """Return how a run ends, by its last tasks; an earlier failure that they caught is only mentioned."""
    needed = {key for task in tasks.values() for key in upstream(task.settings)}
    leaves = [task for key, task in tasks.items() if key not in needed]
    # What a failed leaf names is the task that began it.
    failed = next((task for task in tasks.values() if task.state.failed and task.state.life_cycle != "SKIPPED"), None)
    if any(task.state.failed for task in leaves) and failed:
        return _as_run(failed, skipped=any(task.state.life_cycle == "SKIPPED" for task in tasks.values()))
    if any(task.state.result in CANCELLATIONS for task in leaves):
        return states.CANCELED
    return states.SUCCESS_WITH_FAILURES if failed else states.SUCCESS


def _as_run(task: TaskRun, *, skipped: bool) -> State:
    state = task.state
    tail = ". This caused all downstream tasks to get skipped." if skipped else ""
    message = f"Task {task.key} failed with message: {state.message}{tail}"
    result = "TIMEDOUT" if state.result == "TIMEDOUT" else "FAILED"
    return State(state.life_cycle, result, message, state.code, state.stopped)
