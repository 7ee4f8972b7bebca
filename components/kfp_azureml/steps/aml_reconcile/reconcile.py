"""Clean up the unfinished rollouts of a workspace: roll back traffic, delete what they created."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kfp_azureml.azureml.rollout.marker import Marker, read_markers
from kfp_azureml.azureml.rollout.traffic_shares import format_traffic
from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.runtime.errors import KfpAzuremlError, PipelineError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

NAME = "aml_reconcile"


@dataclass(frozen=True)
class Leftover:
    """An unfinished rollout.

    Attributes:
        endpoint: The endpoint's name.
        marker: The rollout's marker on the endpoint.
    """

    endpoint: str
    marker: Marker

    def __str__(self) -> str:
        """Return one line for the log."""
        hours = (time.time() - self.marker.since) / 3600
        return (
            f"endpoint {self.endpoint}: unfinished rollout of {self.marker.deployment} by run "
            f"{self.marker.run_id or 'unknown'}, {hours:.1f} h old; traffic before: "
            f"{format_traffic(self.marker.before)}"
        )


def reconcile(
    *,
    workspace: WorkspaceName,
    run_id: str = "",
    endpoint_name: str = "",
    older_than_hours: float | None = None,
    dry_run: bool = False,
    timeout_seconds: float,
) -> list[str]:
    """Clean up unfinished rollouts. Filters are combined with AND; model versions stay.

    Args:
        workspace: The workspace.
        run_id: Only rollouts of this pipeline run.
        endpoint_name: Only rollouts on this endpoint.
        older_than_hours: Only rollouts whose last attempt began at least so many hours ago.
        dry_run: List the rollouts and change nothing.
        timeout_seconds: Timeout for all Azure operations.

    Returns:
        What was done, one line each; with `dry_run` the unfinished rollouts.

    Raises:
        DeploymentError: If a rollout cannot be cleaned up; the others are.
        PipelineError: If no filter is set.
        CredentialsError: If the credentials are incomplete or rejected.
        WorkspaceError: If the workspace cannot be found or reached.
    """
    if not run_id and not endpoint_name and older_than_hours is None:
        raise PipelineError("no filter set: set run_id, endpoint_name or older_than_hours")

    from kfp_azureml.azureml.rollout.cleanup import clean_up
    from kfp_azureml.azureml.waiting import Deadline
    from kfp_azureml.azureml.workspace import studio_url, workspace_client

    client = workspace_client(*workspace)
    whole = Deadline(timeout_seconds, look_at=studio_url(client, "endpoints"))
    began_before = None if older_than_hours is None else time.time() - older_than_hours * 3600
    leftovers = [
        leftover
        for leftover in find_leftovers(client)
        if run_id in ("", leftover.marker.run_id)
        and endpoint_name in ("", leftover.endpoint)
        and (began_before is None or leftover.marker.since <= began_before)
    ]
    for leftover in leftovers:
        progress(str(leftover))
    if not leftovers:
        progress("no unfinished rollouts")
    if dry_run:
        return [str(leftover) for leftover in leftovers]

    done: list[str] = []
    failures: list[KfpAzuremlError] = []
    for leftover in leftovers:
        page = studio_url(client, f"endpoints/realtime/{leftover.endpoint}/detail")
        try:
            done += clean_up(client, leftover.endpoint, leftover.marker, replace(whole, look_at=page))
        except KfpAzuremlError as error:
            progress(str(error))
            failures.append(error)
    if failures:
        raise failures[0]
    return done


@contextmanager
def train_jobs_deleted(run_id: str) -> Iterator[list[str]]:
    """Delete a run's unfinished TrainJobs; if that fails, run the block and then raise the error.

    Args:
        run_id: The pipeline run; empty deletes none.

    Yields:
        What was done, one line each.

    Raises:
        KubeflowError: If the cluster cannot be reached, or a TrainJob cannot be deleted.
    """
    from kfp_azureml.engines.api import connect
    from kfp_azureml.engines.clean_up import clean_up

    done: list[str] = []
    failure: KfpAzuremlError | None = None
    if run_id:
        try:
            done = clean_up(connect(), run_id)
        except KfpAzuremlError as error:
            progress(str(error))
            failure = error
    yield done
    if failure:
        raise failure


def find_leftovers(client: MLClient) -> list[Leftover]:
    """Return the unfinished rollouts of a workspace, oldest first.

    Raises:
        WorkspaceError: If the endpoints cannot be listed.
    """
    from kfp_azureml.azureml.azure_errors import azure_errors
    from kfp_azureml.azureml.retries import retrying

    with azure_errors("listing the online endpoints"):
        endpoints = retrying("listing the online endpoints", lambda: list(client.online_endpoints.list()))
    found = [Leftover(str(endpoint.name), marker) for endpoint in endpoints for marker in read_markers(endpoint.tags)]
    return sorted(found, key=lambda leftover: leftover.marker.since)
