"""Read runs: patiently, since a run goes on while Databricks or the network fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kfp_azureml.databricks.api_errors import databricks_errors
from kfp_azureml.databricks.retries import retrying

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import BaseRun, Run

OUTAGE_SECONDS = 2 * 3600.0
"""How long reading a run may fail before the step gives up."""


def read_run(client: WorkspaceClient, run_id: int) -> Run:
    """Read a run with all its tasks.

    Raises:
        KfpAzuremlError: If it cannot be read, for `OUTAGE_SECONDS` in case of transient errors.
    """
    what = f"reading run {run_id}"
    with databricks_errors(what, "'Can View' on the job"):
        return retrying(what, lambda: _whole(client, run_id), OUTAGE_SECONDS)


def active_runs(client: WorkspaceClient, job_id: int | None = None) -> Iterator[BaseRun]:
    """Yield the runs of a job, or of the workspace, that have not ended.

    Raises:
        KfpAzuremlError: If they cannot be listed.
    """
    what = "listing the active runs"
    with databricks_errors(what):
        yield from retrying(
            what, lambda: list(client.jobs.list_runs(active_only=True, job_id=job_id, expand_tasks=True))
        )


def _whole(client: WorkspaceClient, run_id: int) -> Run:
    # The SDK's method reads all pages of a run with more than 100 tasks.
    return client.jobs.get_run(run_id, include_history=True)
