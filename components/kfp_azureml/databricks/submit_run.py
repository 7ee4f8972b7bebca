"""Submit a one-time run and wait for its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kfp_azureml.databricks.task_specs import with_tasks
from kfp_azureml.runtime.errors import DatabricksError

if TYPE_CHECKING:
    from kfp_azureml.databricks.run_outcome import Outcome
    from kfp_azureml.databricks.run_to_end import Started

NAME = "databricks_submit_run"

_NEEDS = (
    "the entitlement 'Unrestricted cluster creation' or a cluster policy for new_cluster, 'Can Attach To' on an "
    "existing cluster, 'Can Run' on the notebook or file"
)


def submit_run(
    databricks_host: str,
    request: Mapping[str, Any],
    *,
    pipeline_run_id: str,
    task_name: str,
    timeout_seconds: float,
    queue_timeout_seconds: float,
    accepted_results: list[str],
    started: Started,
) -> Outcome:
    """Submit a run, or join the one that an earlier attempt of the step submitted, and wait for its end.

    Args:
        databricks_host: The workspace's URL; empty takes it from DATABRICKS_HOST.
        request: The fields of the request, in the form of any version of the API.
        pipeline_run_id: The pipeline run.
        task_name: The task in it.
        timeout_seconds: Limit for running; Databricks gets it too.
        queue_timeout_seconds: Limit for queueing and starting the cluster.
        accepted_results: Results that count as success.
        started: Receives the run's id and URL before it is waited for.

    Raises:
        DatabricksError: If the request is invalid, the run's result is not accepted, or a limit passed.
        CancelledError: If the step is stopped. The run is cancelled, or the message says how to.
        CredentialsError: If the credentials are missing or rejected.
        WorkspaceError: If the workspace cannot be reached.
    """
    fields = with_tasks(request)
    for name, instead in (("job_name", "use databricks_run_job"), ("idempotency_token", "the step makes its own")):
        if name in fields:
            raise DatabricksError(f"{name}: not for a submitted run: {instead}")
    if timeout_seconds:
        fields["timeout_seconds"] = int(timeout_seconds)

    from databricks.sdk.service.jobs import RunType

    from kfp_azureml.databricks.fields import arguments
    from kfp_azureml.databricks.identity import Identity
    from kfp_azureml.databricks.run_start import Starter
    from kfp_azureml.databricks.run_to_end import Following, run_to_end
    from kfp_azureml.databricks.run_waiting import Limits
    from kfp_azureml.databricks.workspace import workspace_client

    following = Following(Limits(queue_timeout_seconds, timeout_seconds), tuple(accepted_results))
    identity = Identity(pipeline_run_id, task_name, fields)
    run_name = str(fields.get("run_name") or "kfp-azureml")
    client = workspace_client(databricks_host)
    settings = arguments(client.jobs.submit, {**fields, "run_name": identity.marked(run_name)}, "run")

    def submit(token: str) -> int:
        return int(client.jobs.submit(**settings, idempotency_token=token).run_id)

    def latest() -> int:
        runs = client.jobs.list_runs(run_type=RunType.SUBMIT_RUN, limit=1)
        return next((run.start_time or 0 for run in runs), 0)

    starter = Starter(f"submitting run {run_name}", _NEEDS, submit, latest)
    return run_to_end(client, starter, identity, following, started)
