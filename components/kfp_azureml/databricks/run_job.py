"""Run an existing job and wait for its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kfp_azureml.databricks.jobs import find_job
from kfp_azureml.runtime.errors import DatabricksError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from kfp_azureml.databricks.run_outcome import Outcome
    from kfp_azureml.databricks.run_to_end import Started

NAME = "databricks_run_job"

_NEEDS = "'Can Manage Run' on the job"
_NOT_IN_REPAIRS = ("only", "queue")


def run_job(
    databricks_host: str,
    job_id: str,
    job_name: str,
    request: Mapping[str, Any],
    *,
    pipeline_run_id: str,
    task_name: str,
    timeout_seconds: float,
    queue_timeout_seconds: float,
    accepted_results: list[str],
    max_repairs: int,
    cancel_previous_runs: bool,
    started: Started,
) -> Outcome:
    """Run a job, or join the run that an earlier attempt of the step started, and wait for its end.

    Args:
        databricks_host: The workspace's URL; empty takes it from DATABRICKS_HOST.
        job_id: The job; empty with `job_name`.
        job_name: The job's name; empty with `job_id`.
        request: Fields of the request: parameters, the tasks to run, queueing.
        pipeline_run_id: The pipeline run.
        task_name: The task in it.
        timeout_seconds: Limit for running.
        queue_timeout_seconds: Limit for queueing and starting the cluster.
        accepted_results: Results that count as success.
        max_repairs: Number of repairs before the step fails.
        cancel_previous_runs: Cancel the job's active runs first, except that of an earlier attempt of this step.
        started: Receives the run's id and URL before it is waited for.

    Raises:
        DatabricksError: If there is no such job, the run's result is not accepted, or a limit passed.
        CancelledError: If the step is stopped. The run is cancelled, or the message says how to.
        CredentialsError: If the credentials are missing or rejected.
        WorkspaceError: If the workspace cannot be reached.
    """
    from databricks.sdk.errors import PermissionDenied

    from kfp_azureml.databricks.fields import arguments
    from kfp_azureml.databricks.identity import Identity
    from kfp_azureml.databricks.run_cancelling import cancel
    from kfp_azureml.databricks.run_start import Starter
    from kfp_azureml.databricks.run_to_end import Following, run_to_end
    from kfp_azureml.databricks.run_waiting import Limits
    from kfp_azureml.databricks.workspace import workspace_client

    client = workspace_client(databricks_host)
    job = find_job(client, job_id, job_name)
    if job is None:
        raise DatabricksError(f"job_name {job_name}: no job of this name in the workspace")
    identity = Identity(pipeline_run_id, task_name, {"job_id": job, **request})
    fields = _with_mark(client, job, request, identity)
    if cancel_previous_runs:
        # It starts when they have ended, also where the job allows one run at a time.
        fields["queue"] = {"enabled": True}
    settings = arguments(client.jobs.run_now, fields, "run")
    following = Following(
        Limits(queue_timeout_seconds, timeout_seconds),
        tuple(accepted_results),
        max_repairs,
        {name: value for name, value in settings.items() if name not in _NOT_IN_REPAIRS},
    )
    previous = _PreviousRuns(client, job) if cancel_previous_runs else None

    def run_now(token: str) -> int:
        run_id = int(client.jobs.run_now(job, **settings, idempotency_token=token).run_id)
        if previous:
            try:
                previous.cancel_all_but(run_id)
            except PermissionDenied:
                # Else it would run when the others have ended, long after this step.
                progress(cancel(client, run_id, f"run {run_id} of the workspace"))
                raise
        return run_id

    def latest() -> int:
        return next((run.start_time or 0 for run in client.jobs.list_runs(job_id=job, limit=1)), 0)

    starter = Starter(f"running job {job_name or job_id}", _NEEDS, run_now, latest)
    return run_to_end(client, starter, identity, following, started)


def _with_mark(client: WorkspaceClient, job_id: int, request: Mapping[str, Any], identity: Any) -> dict[str, Any]:
    """Add the pipeline run, by which the clean-up finds the run, if the job declares a parameter for it."""
    from kfp_azureml.databricks.api_errors import databricks_errors
    from kfp_azureml.databricks.identity import JOB_PARAMETER
    from kfp_azureml.databricks.retries import retrying

    fields = dict(request)
    what = f"reading job {job_id}"
    with databricks_errors(what, "'Can View' on the job"):
        settings = retrying(what, lambda: client.jobs.get(job_id)).settings
    declared = [parameter.name for parameter in (settings.parameters if settings else None) or ()]
    if JOB_PARAMETER in declared and identity.is_known:
        fields["job_parameters"] = {**fields.get("job_parameters", {}), JOB_PARAMETER: identity.pipeline_run_id}
    return fields


class _PreviousRuns:
    """The runs of a job that were active before this step started its own."""

    def __init__(self, client: WorkspaceClient, job_id: int) -> None:
        from kfp_azureml.databricks.run_reading import active_runs

        self._client = client
        self._active = [run.run_id or 0 for run in active_runs(client, job_id)]

    def cancel_all_but(self, run_id: int) -> None:
        """Cancel them, except the run that the step joins."""
        from databricks.sdk.errors.base import DatabricksError as SdkError

        from kfp_azureml.databricks.api_errors import is_missing

        for previous in self._active:
            if previous != run_id:
                progress(f"run {previous}: cancelling it, since cancel_previous_runs is set")
                try:
                    self._client.jobs.cancel_run(previous)
                except SdkError as error:
                    if not is_missing(error):
                        raise
                    progress(f"run {previous}: was deleted meanwhile")
