"""Find what runs left unfinished on a workspace's endpoints, and undo it: traffic back, leftovers deleted."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from kfp_azureml.azureml.rollout.marker import Marker, read_markers
from kfp_azureml.azureml.rollout.traffic import in_words
from kfp_azureml.runtime.errors import KfpAzuremlError, PipelineError
from kfp_azureml.runtime.step import progress, run_step

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

NAME = "aml_reconcile"
TIMEOUT_SECONDS = 1800


@dataclass(frozen=True)
class Leftover:
    """An unfinished roll-out.

    Attributes:
        endpoint: The endpoint it is on.
        marker: What it noted there.
    """

    endpoint: str
    marker: Marker

    def __str__(self) -> str:
        """What it is, in words."""
        hours = (time.time() - self.marker.since) / 3600
        return (
            f"endpoint {self.endpoint}: unfinished roll-out of {self.marker.deployment} by run "
            f"{self.marker.run_id or 'unknown'}, {hours:.1f} h old; traffic before: {in_words(self.marker.before)}"
        )


def reconcile(
    *,
    run_id: str = "",
    endpoint_name: str = "",
    older_than_hours: float | None = None,
    resource_group: str = "",
    workspace: str = "",
    subscription_id: str = "",
    dry_run: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> list[str]:
    """Undo what is unfinished, of one run, on one endpoint, or of whoever began long enough ago.

    A roll-out that was finished has left no mark, and is not touched. Model versions stay: they are whole or not there.

    Args:
        run_id: The run whose roll-outs to undo.
        endpoint_name: Or the endpoint on which to undo all of them.
        older_than_hours: Or the age from which on they count as dead. Together, all of these have to be so.
        resource_group: The workspace's resource group; see `azureml.workspace.workspace_client`.
        workspace: The workspace's name.
        subscription_id: Its subscription; empty: from the secret azcreds.
        dry_run: Whether only to say what is unfinished.
        timeout_seconds: How long to wait for Azure, all in all.

    Returns:
        What was done, or with `dry_run` what was found, in words.

    Raises:
        DeploymentError: If something cannot be undone; the rest is undone all the same.
        PipelineError: If it is not said what to undo.
        CredentialsError: If the credentials are incomplete or refused.
        WorkspaceError: If the workspace cannot be found or reached.
    """
    if not run_id and not endpoint_name and older_than_hours is None:
        raise PipelineError("say what to undo: give a run_id, an endpoint_name or older_than_hours")

    from kfp_azureml.azureml.rollout.cleanup import clean_up
    from kfp_azureml.azureml.waiting import Deadline
    from kfp_azureml.azureml.workspace import studio_url, workspace_client

    client = workspace_client(resource_group, workspace, subscription_id)
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
        progress("nothing is unfinished")
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


def find_leftovers(client: MLClient) -> list[Leftover]:
    """Return the unfinished roll-outs of a workspace, the oldest first.

    Raises:
        WorkspaceError: If Azure does not show its endpoints.
    """
    from kfp_azureml.azureml.failures import azure_errors
    from kfp_azureml.azureml.retries import retrying

    with azure_errors("listing the online endpoints"):
        endpoints = retrying("listing the online endpoints", lambda: list(client.online_endpoints.list()))
    found = [Leftover(str(endpoint.name), marker) for endpoint in endpoints for marker in read_markers(endpoint.tags)]
    return sorted(found, key=lambda leftover: leftover.marker.since)


@click.command("reconcile", help=__doc__)
@click.option("--run-id", default="", help="The pipeline run whose roll-outs to undo.")
@click.option("--endpoint-name", default="", help="Or the endpoint on which to undo all of them.")
@click.option("--older-than-hours", type=click.FloatRange(min=0), help="Or the age from which on they count as dead.")
@click.option("--resource-group", default="", help="Default: from config.json.")
@click.option("--workspace", default="", help="Default: from config.json.")
@click.option("--subscription-id", default="", help="Default: AZ_SUBSCRIPTION_ID, or from config.json.")
@click.option("--dry-run", is_flag=True, help="Only say what is unfinished.")
@click.option("--timeout-seconds", default=float(TIMEOUT_SECONDS), show_default=True)
def main(**arguments: object) -> None:
    """Run the step from the shell; the options are `reconcile`'s arguments."""
    with run_step(NAME):
        reconcile(**arguments)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
