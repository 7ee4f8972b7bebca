"""Find out why a run failed: the error of the step that failed first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from kfp_azureml.kubeflow.argo_nodes import node_names, pods_of
from kfp_azureml.kubeflow.bounded_requests import BoundedRequests
from kfp_azureml.kubeflow.error_in_log import find_error, last_line
from kfp_azureml.kubeflow.step_logs import executor_logs, open_cluster_logs, pod_logs
from kfp_azureml.kubeflow.task_details import deepest_message, failed_row, name_of, tasks
from kfp_azureml.runtime.terminal import short

if TYPE_CHECKING:
    from kfp import Client

SEARCH_SECONDS = 60.0
"""Timeout of the search in seconds; after it no further log is read."""


def failure_reason(client: Client, run_id: str, run: Any, steps: dict[str, str], namespace: str) -> str:
    """Return in one line which step failed and why; empty if unknown.

    The API of 2.17 has no error for a failed step, so the step's log is searched: the `executor-logs` artifact, then
    the pod's log from Kubeflow, then from the cluster if there is a kubeconfig. Argo's message
    (`main: Error (exit code 1)`) is the last resort, since it seldom contains the cause.

    Args:
        client: The connected client.
        run_id: The run's id.
        run: The run, after its end.
        steps: The steps' names by the names of their tasks.
        namespace: The namespace of the run's pods; empty for that of the kubeconfig's context.
    """
    row = failed_row(run, steps)
    if row is None:
        return short(run.error.message or "") if run.error else ""
    step = name_of(row, steps)
    last = ""
    for log in _logs(client, run_id, run, row, namespace):
        if error := find_error(log, step):
            return error if error.startswith(f"{step}: ") else f"{step}: {error}"
        last = last or last_line(log)
    said = [
        next(_messages(run_id, run, row, namespace), ""),
        f"its log ends with: {last}" if last else "",
    ]
    return f"{step}: {'; '.join(filter(None, said)) or 'failed; no readable log found: see its Logs in the UI'}"


def _logs(client: Client, run_id: str, run: Any, row: Any, namespace: str) -> Iterator[str]:
    requests = BoundedRequests(client)
    name = str(row.display_name)
    places: tuple[Callable[[], Iterator[str]], ...] = (
        lambda: executor_logs(requests, run_id, name, namespace),
        lambda: pod_logs(requests, run_id, pods_of(row, node_names(tasks(run))), namespace),
        lambda: cluster.logs(name) if (cluster := open_cluster_logs(namespace, run_id)) else iter(()),
    )
    deadline = time.monotonic() + SEARCH_SECONDS
    for place in places:
        for log in place():
            if log.strip():
                yield log
            if time.monotonic() >= deadline:
                return


def _messages(run_id: str, run: Any, row: Any, namespace: str) -> Iterator[str]:
    if message := deepest_message(row, tasks(run)):
        yield message
    elif cluster := open_cluster_logs(namespace, run_id):
        yield from map(short, cluster.messages(str(row.display_name)))
