"""Undoing a roll-out that is not to be finished: traffic goes back, what it made is deleted, the mark is removed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from kfp_azureml.aml_deploy_model.deployment import delete_deployment, find_deployment
from kfp_azureml.aml_deploy_model.endpoint import (
    delete_endpoint,
    read_endpoint,
    take_traffic_from,
    unmark,
)
from kfp_azureml.aml_deploy_model.marker import DEPLOYMENT, ENDPOINT, Marker, read_markers
from kfp_azureml.aml_deploy_model.traffic import in_words
from kfp_azureml.azureml.failures import azure_errors
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.errors import DeploymentError
from kfp_azureml.steps import progress

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def undo(client: MLClient, endpoint_name: str, marker: Marker, deadline: Deadline) -> list[str]:
    """Undo a roll-out, from whatever point it got to; what is already undone is passed over.

    Deployments that were there before stay, and so does what a second roll-out does on the same endpoint.

    Args:
        client: A client of the workspace.
        endpoint_name: The endpoint.
        marker: The roll-out.
        deadline: When to give up.

    Returns:
        What was done, in words.

    Raises:
        DeploymentError: If Azure does not do it, or not in time. What is done by then stays done.
    """
    done = []
    if take_traffic_from(client, endpoint_name, marker, deadline):
        done.append(f"endpoint {endpoint_name}: the traffic is back as it was: {in_words(marker.before)}")
    if DEPLOYMENT in marker.made:
        with azure_errors(f"reading deployment {marker.deployment}", DeploymentError):
            exists = retrying(
                f"reading deployment {marker.deployment}",
                lambda: find_deployment(client, endpoint_name, marker.deployment),
            )
        if exists:
            delete_deployment(client, endpoint_name, marker.deployment, deadline)
            done.append(f"deployment {marker.deployment} of endpoint {endpoint_name}: deleted")
    if ENDPOINT in marker.made and _is_bare(client, endpoint_name, marker):
        delete_endpoint(client, endpoint_name, deadline)
        done.append(f"endpoint {endpoint_name}: deleted")
    else:
        unmark(client, endpoint_name, marker, deadline)
    for line in done:
        progress(line)
    return done


def undo_command(client: MLClient, run_id: str, endpoint_name: str) -> str:
    """Return the command line that undoes later what cannot be undone now."""
    words = ["kfp-azureml", "reconcile"]
    words += ["--run-id", run_id] if run_id else ["--endpoint-name", endpoint_name]
    words += ["--resource-group", client.resource_group_name, "--workspace", str(client.workspace_name)]
    return shlex.join(words)


def _is_bare(client: MLClient, endpoint_name: str, marker: Marker) -> bool:
    """Say whether nothing and nobody else is on an endpoint."""
    what = f"reading what is on endpoint {endpoint_name}"
    with azure_errors(what, DeploymentError):
        deployments = retrying(what, lambda: list(client.online_deployments.list(endpoint_name)))
    others = [other for other in read_markers(read_endpoint(client, endpoint_name).tags) if other.tag != marker.tag]
    return not deployments and not others
