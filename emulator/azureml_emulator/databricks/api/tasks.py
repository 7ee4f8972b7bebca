"""Check the tasks that clients submit, before a run or job has them."""

from __future__ import annotations

from azureml_emulator.databricks.api import requests
from azureml_emulator.databricks.clusters import Clusters, missing_cluster
from azureml_emulator.databricks.errors import invalid
from azureml_emulator.databricks.execution import TASK_TYPES
from azureml_emulator.databricks.task_order import RUN_IF, check_order
from azureml_emulator.store import Document

MOST_TASKS = 1000


def read_tasks(fields: Document, clusters: Clusters) -> list[Document]:
    """Read the tasks of a run or job.

    Raises:
        DatabricksError: 400, if one is invalid.
    """
    tasks = requests.objects(fields, "tasks")
    if len(tasks) > MOST_TASKS:
        raise invalid(f"At most {MOST_TASKS} tasks are allowed, not {len(tasks)}.")
    job_clusters = {requests.text(each, "job_cluster_key") for each in requests.objects(fields, "job_clusters")}
    for each in requests.objects(fields, "job_clusters"):
        requests.optional_object(each, "new_cluster")
    environments = {requests.text(each, "environment_key") for each in requests.objects(fields, "environments")}
    for task in tasks:
        key = requests.text(task, "task_key")
        _check_kind(key, task)
        _check_compute(key, task, clusters, job_clusters, environments)
        for dependency in requests.objects(task, "depends_on"):
            requests.text(dependency, "task_key")
        if (condition := requests.optional_text(task, "run_if")) and condition not in RUN_IF:
            raise invalid(f"run_if of the task {key} must be one of {', '.join(RUN_IF)}.")
        requests.whole_numbers(task, "timeout_seconds", "min_retry_interval_millis")
        if task.get("max_retries") != -1:  # without limit
            requests.whole_numbers(task, "max_retries")
    check_order(tasks)
    return tasks


def _check_kind(key: str, task: Document) -> None:
    kinds = [name for name in TASK_TYPES if task.get(name) is not None]
    if len(kinds) != 1:
        found = f"it has {', '.join(kinds)}" if kinds else "it has none"
        raise invalid(f"The task {key} must have exactly one task type; {found}.")
    settings = requests.optional_object(task, kinds[0])
    if kinds[0] == "spark_python_task":
        requests.text(settings, "python_file")
        requests.texts(settings, "parameters")
    elif kinds[0] == "notebook_task":
        requests.text(settings, "notebook_path")
        requests.values(settings, "base_parameters")


def _check_compute(
    key: str, task: Document, clusters: Clusters, job_clusters: set[str], environments: set[str]
) -> None:
    given = [
        name
        for name in ("existing_cluster_id", "new_cluster", "job_cluster_key", "environment_key")
        if task.get(name) is not None
    ]
    if len(given) > 1:
        raise invalid(f"The task {key} must have one compute, not {', '.join(given)}.")
    existing = requests.optional_text(task, "existing_cluster_id")
    if existing and not clusters.exists(existing):
        raise missing_cluster(existing)
    requests.values(requests.optional_object(task, "new_cluster"), "spark_env_vars")
    for name, known, what in (
        ("job_cluster_key", job_clusters, "job cluster"),
        ("environment_key", environments, "environment"),
    ):
        named = requests.optional_text(task, name)
        if named and named not in known:
            raise invalid(f"The task {key} has the {what} {named}, which is not defined.")
