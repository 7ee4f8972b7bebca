"""Undoing a roll-out that is not to be finished: traffic goes back, what it made is deleted, the mark is removed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from kfp_azureml.azureml.arm import resource_manager
from kfp_azureml.azureml.failures import azure_errors
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.azureml.rollout.autoscale import delete_autoscale
from kfp_azureml.azureml.rollout.deployment import delete_deployment, find_deployment
from kfp_azureml.azureml.rollout.endpoint import (
    RollOutOverError,
    check_marked,
    delete_endpoint,
    find_endpoint,
    live_traffic,
    read_endpoint,
    take_traffic_from,
    unmark,
)
from kfp_azureml.azureml.rollout.marker import DEPLOYMENT, ENDPOINT, Marker, read_markers
from kfp_azureml.azureml.rollout.traffic import in_words
from kfp_azureml.azureml.waiting import Deadline
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint


def clean_up(client: MLClient, endpoint_name: str, marker: Marker, deadline: Deadline) -> list[str]:
    """Undo a roll-out, from whatever point it got to; what is already undone is passed over.

    The mark may have been read a while ago. Where the endpoint does not bear it any more, the roll-out was finished,
    undone or begun again since: then nothing is done.

    Deployments that were there before stay, and so does what a second roll-out does on the same endpoint. Where one
    that had the traffic before is no more, the roll-out was over but for the tidying up, and the new one stays live.

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
    endpoint = _find(client, endpoint_name)
    if endpoint is None:
        return []
    try:
        check_marked(endpoint, marker)
        lost = _lost_before(client, endpoint, marker)
        if lost:
            # Only what has no traffic can be deleted: so this one has all of it, and nothing is there to take it back.
            done = [f"deployment {marker.deployment} of endpoint {endpoint_name}: stays live, {lost} is no more"]
            unmark(client, endpoint_name, marker, deadline)
        else:
            done = _clean_up(client, endpoint_name, marker, deadline)
    except RollOutOverError as over:
        progress(str(over))
        return []
    except DeploymentError:
        if _find(client, endpoint_name) is not None:
            raise
        done = [f"endpoint {endpoint_name}: somebody else has deleted it"]
    for line in done:
        progress(line)
    return done


def clean_up_command(client: MLClient, run_id: str, endpoint_name: str) -> str:
    """Return the command line that undoes later what cannot be undone now."""
    words = ["kfp-azureml", "reconcile"]
    words += ["--run-id", run_id] if run_id else ["--endpoint-name", endpoint_name]
    words += ["--resource-group", client.resource_group_name, "--workspace", str(client.workspace_name)]
    return shlex.join(words)


def _clean_up(client: MLClient, endpoint_name: str, marker: Marker, deadline: Deadline) -> list[str]:
    done = []
    had, left = take_traffic_from(client, endpoint_name, marker, deadline, while_marked=True)
    if had:
        done.append(f"endpoint {endpoint_name}: the traffic is back as it was: {in_words(left)}")
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


def _lost_before(client: MLClient, endpoint: OnlineEndpoint, marker: Marker) -> str:
    """Return a deployment that had traffic before and is no more, while the new one is live; empty if there is none."""
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
    """Say whether nothing and nobody else is on an endpoint."""
    what = f"reading what is on endpoint {endpoint_name}"
    with azure_errors(what, DeploymentError):
        deployments = retrying(what, lambda: list(client.online_deployments.list(endpoint_name)))
    others = [other for other in read_markers(read_endpoint(client, endpoint_name).tags) if other.tag != marker.tag]
    return not deployments and not others
