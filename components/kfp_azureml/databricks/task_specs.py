"""The tasks of a run or job: one at the top level (Jobs API 2.0) or a list (since 2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kfp_azureml.runtime.errors import DatabricksError

TASK_KEY = "main"
"""The key of a run's only task."""

KINDS = ("notebook_task", "spark_jar_task", "spark_python_task", "spark_submit_task")
"""Fields of which a task has one."""

PARAMETERS = {
    "jar_params": ("spark_jar_task", "parameters"),
    "python_params": ("spark_python_task", "parameters"),
    "notebook_params": ("notebook_task", "base_parameters"),
    "spark_submit_params": ("spark_submit_task", "parameters"),
}
"""The task and its field that a parameter of API 2.0 is about."""

MACHINES = ("existing_cluster_id", "new_cluster", "libraries")
"""Where a task runs, with what."""

RETRIES = ("max_retries", "min_retry_interval_millis", "retry_on_timeout")
"""Fields of a job in API 2.0 that belong to its task since."""

TOP_LEVEL = (*KINDS, *MACHINES, *RETRIES)
"""Fields that moved from the run or job into its task."""


def with_tasks(request: Mapping[str, Any]) -> dict[str, Any]:
    """Move a task at the top level of a request, and its parameters, into `tasks`.

    Args:
        request: The fields of a run or job, in the form of any version of the API.

    Raises:
        DatabricksError: If there is no task, a task of two kinds, both forms, or parameters for a task of another kind.
    """
    fields = dict(request)
    task = {name: fields.pop(name) for name in TOP_LEVEL if name in fields}
    parameters = {name: fields.pop(name) for name in PARAMETERS if name in fields}
    if fields.get("tasks"):
        if both := [*task, *parameters]:
            raise DatabricksError(f"{', '.join(both)}: set them in each of the tasks, since tasks is set")
        return fields
    kinds = [name for name in KINDS if name in task]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none"
        raise DatabricksError(f"a run needs one of {', '.join(KINDS)}, or tasks; found {found}")
    (kind,) = kinds
    for name, values in parameters.items():
        belongs_to, field = PARAMETERS[name]
        if belongs_to != kind:
            raise DatabricksError(f"{name}: parameters of a {belongs_to}, but the task is a {kind}")
        task[kind] = {**task[kind], field: _merged(task[kind].get(field), values)}
    return {**fields, "tasks": [{"task_key": TASK_KEY, **task}]}


def _merged(before: Any, values: Any) -> Any:
    """Return a notebook's parameters with later values; other parameters are replaced."""
    return {**before, **values} if isinstance(before, Mapping) and isinstance(values, Mapping) else values
