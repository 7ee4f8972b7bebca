"""Clean up a rollout that cannot finish: roll back traffic, delete what it created, remove the marker."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from kfp_azureml.azureml.arm import resource_manager
from kfp_azureml.azureml.azure_errors import azure_errors
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.azureml.rollout.autoscale import delete_autoscale
from kfp_azureml.azureml.rollout.deployment import delete_deployment, find_deployment
from kfp_azureml.azureml.rollout.endpoint import (
    RolloutOverError,
    check_marked,
    delete_endpoint,
    find_endpoint,
    live_traffic,
    read_endpoint,
    take_traffic_from,
    unmark,
)
from kfp_azureml.azureml.rollout.marker import DEPLOYMENT, ENDPOINT, Marker, read_markers
from kfp_azureml.azureml.rollout.traffic_shares import format_traffic
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint


def clean_up(client: MLClient, endpoint_name: str, marker: Marker, deadline: Deadline) -> list[str]:
    """Clean up a rollout, however far it got; steps that are already done are skipped.

    Do nothing if the endpoint no longer has this marker: the rollout was finished, cleaned up or begun again since.

    Earlier deployments stay, and so does a second rollout on the same endpoint. If a deployment that had traffic
    before is deleted, the rollout was complete except for its cleanup, and the new deployment stays live.

    Args:
        client: A client of the workspace.
        endpoint_name: The endpoint.
        marker: The rollout's marker.
        deadline: When to give up.

    Returns:
        What was done, one line each.

    Raises:
        DeploymentError: If Azure rejects a step or the deadline passes; completed steps stay.
    """
    endpoint = _find(client, endpoint_name)
    if endpoint is None:
        return []
    try:
        check_marked(endpoint, marker)
        lost = _deleted_previous(client, endpoint, marker)
        if lost:
            # Only a deployment without traffic can be deleted: so the new one has all of it, and none can take it back.
            done = [f"deployment {marker.deployment} of endpoint {endpoint_name}: stays live, {lost} was deleted"]
            unmark(client, endpoint_name, marker, deadline)
        else:
            done = _clean_up(client, endpoint_name, marker, deadline)
    except RolloutOverError as over:
        progress(str(over))
        return []
    except DeploymentError:
        if _find(client, endpoint_name) is not None:
            raise
        done = [f"endpoint {endpoint_name}: deleted by another client"]
    for line in done:
        progress(line)
    return done


def clean_up_command(client: MLClient, run_id: str, endpoint_name: str) -> str:
    """Return the command line that cleans up later."""
    words = ["kfp-azureml", "reconcile"]
    words += ["--run-id", run_id] if run_id else ["--endpoint-name", endpoint_name]
    words += ["--resource-group", client.resource_group_name, "--workspace", str(client.workspace_name)]
    return shlex.join(words)


def _clean_up(client: MLClient, endpoint_name: str, marker: Marker, deadline: Deadline) -> list[str]:
    done = []
    had, left = take_traffic_from(client, endpoint_name, marker, deadline, while_marked=True)
    if had:
        done.append(f"endpoint {endpoint_name}: traffic rolled back: {format_traffic(left)}")
    if DEPLOYMENT in marker.made:
        deployment = _read(client, endpoint_name, marker.deployment)
        if deployment:
            delete_deployment(client, endpoint_name, marker.deployment, deadline)
            done.append(f"deployment {marker.deployment} of endpoint {endpoint_name}: deleted")
            _delete_copied_autoscale(deployment)
    if ENDPOINT in marker.made and _is_bare(client, endpoint_name, marker):
        delete_endpoint(client, endpoint_name, deadline)
        done.append(f"endpoint {endpoint_name}: deleted")
    else:
        unmark(client, endpoint_name, marker, deadline)
    return done


def _deleted_previous(client: MLClient, endpoint: OnlineEndpoint, marker: Marker) -> str:
    """Return a deleted deployment that had traffic before, if the new one is live; empty if there is none."""
    if marker.deployment not in live_traffic(endpoint):
        return ""
    for name in marker.before:
        deployment = _read(client, str(endpoint.name), name)
        if deployment is None or deployment.provisioning_state == "Deleting":
            return name
    return ""


def _find(client: MLClient, endpoint_name: str) -> OnlineEndpoint | None:
    what = f"reading endpoint {endpoint_name}"
    with azure_errors(what, DeploymentError):
        return retrying(what, lambda: find_endpoint(client, endpoint_name))


def _read(client: MLClient, endpoint_name: str, name: str) -> OnlineDeployment | None:
    what = f"reading deployment {name} of endpoint {endpoint_name}"
    with azure_errors(what, DeploymentError):
        return retrying(what, lambda: find_deployment(client, endpoint_name, name))


def _delete_copied_autoscale(deployment: OnlineDeployment) -> None:
    from azure.ai.ml.entities import ManagedOnlineDeployment

    if isinstance(deployment, ManagedOnlineDeployment):
        with resource_manager() as arm:
            delete_autoscale(arm, str(deployment.id))


def _is_bare(client: MLClient, endpoint_name: str, marker: Marker) -> bool:
    """Return whether the endpoint has no deployments and no other rollouts."""
    what = f"reading what is on endpoint {endpoint_name}"
    with azure_errors(what, DeploymentError):
        deployments = retrying(what, lambda: list(client.online_deployments.list(endpoint_name)))
    others = [other for other in read_markers(read_endpoint(client, endpoint_name).tags) if other.tag != marker.tag]
    return not deployments and not others
