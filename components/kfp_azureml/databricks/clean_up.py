"""Cancel the runs and terminate the clusters that a pipeline run left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kfp_azureml.runtime.errors import DatabricksError, PipelineError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import BaseRun

NAME = "databricks_reconcile"


def clean_up(databricks_host: str, pipeline_run_id: str, *, dry_run: bool = False) -> list[str]:
    """Cancel the active runs of a pipeline run and terminate the clusters that it created.

    Runs are found by their name (submitted runs) or by the job parameter `kfp_azureml_run` (runs of jobs that declare
    it), clusters by their tag.

    Args:
        databricks_host: The workspace's URL; empty takes it from DATABRICKS_HOST.
        pipeline_run_id: The pipeline run.
        dry_run: List what there is and change nothing.

    Returns:
        What was done, one line each; with `dry_run` what was found.

    Raises:
        PipelineError: If no pipeline run is given.
        DatabricksError: If something could not be cleaned up; everything else is.
        CredentialsError: If the credentials are missing or rejected.
        WorkspaceError: If the workspace cannot be reached.
    """
    if not pipeline_run_id:
        raise PipelineError("no pipeline run given: set pipeline_run_id (--run-id)")
    from kfp_azureml.databricks.clusters import terminate
    from kfp_azureml.databricks.run_cancelling import cancel
    from kfp_azureml.databricks.run_reading import active_runs
    from kfp_azureml.databricks.workspace import workspace_client

    client = workspace_client(databricks_host)
    runs = [run for run in active_runs(client) if _is_of(run, pipeline_run_id)]
    clusters = _clusters_of(client, pipeline_run_id)
    found = [f"run {run.run_id}: {run.run_name}, {run.run_page_url}" for run in runs]
    found += [f"cluster {cluster}" for cluster in clusters]
    for line in found or ["nothing left on Databricks"]:
        progress(line)
    if dry_run:
        return found
    done = [cancel(client, run.run_id or 0, run.run_page_url or "") for run in runs]
    done += [terminate(client, cluster) for cluster in clusters]
    failed = [line for line in done if "could not" in line or "still runs" in line]
    if failed:
        raise DatabricksError("; ".join(failed))
    return done


def _is_of(run: BaseRun, pipeline_run_id: str) -> bool:
    from kfp_azureml.databricks.identity import JOB_PARAMETER, is_marked

    values = {parameter.name: parameter.value for parameter in run.job_parameters or ()}
    return values.get(JOB_PARAMETER) == pipeline_run_id or is_marked(run.run_name or "", pipeline_run_id)


def _clusters_of(client: WorkspaceClient, pipeline_run_id: str) -> list[str]:
    from kfp_azureml.databricks.api_errors import databricks_errors
    from kfp_azureml.databricks.identity import TAG
    from kfp_azureml.databricks.retries import retrying

    with databricks_errors("listing the clusters"):
        clusters = retrying("listing the clusters", lambda: list(client.clusters.list()))
    return [
        str(cluster.cluster_id)
        for cluster in clusters
        if (cluster.custom_tags or {}).get(f"{TAG}-run") == pipeline_run_id
        and cluster.state
        and cluster.state.value not in ("TERMINATED", "TERMINATING", "ERROR")
    ]
