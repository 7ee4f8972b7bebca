"""The endpoint: create or update it, its key, its traffic. Everything else on it stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError

from kfp_azureml.azureml.azure_errors import azure_errors, explain, never_provisioned
from kfp_azureml.azureml.property_names import FINGERPRINT_PROPERTY, RUN_PROPERTY
from kfp_azureml.azureml.rollout.desired_state import DesiredState
from kfp_azureml.azureml.rollout.kubernetes import check_compute, compute_name
from kfp_azureml.azureml.rollout.marker import Marker, find_marker
from kfp_azureml.azureml.rollout.traffic_shares import format_traffic, without
from kfp_azureml.azureml.waiting import Deadline, run_operation, shown, wait_until_settled
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.redaction import add_secret
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineEndpoint
    from azure.core.polling import LROPoller

# The SDK adds these to the properties it reads, and would write them back.
_READ_ONLY_PROPERTIES = ("createdBy", "createdAt", "lastModifiedAt")


UNSUCCESSFUL = ("Failed", "Canceled")
"""Provisioning states of a failed endpoint or deployment."""


class RolloutOverError(DeploymentError):
    """The endpoint no longer has the marker of the rollout."""


def ensure_endpoint(client: MLClient, desired: DesiredState, marker: Marker, deadline: Deadline) -> OnlineEndpoint:
    """Create the endpoint, or repair it if it has failed, and return it.

    Args:
        client: A client of the workspace.
        desired: The desired state.
        marker: Marker of a new endpoint, from the first request on.
        deadline: When to give up.

    Raises:
        DeploymentError: If it cannot be created, or exists on another compute.
    """
    from azure.ai.ml.entities import KubernetesOnlineEndpoint

    what = f"endpoint {desired.endpoint}"
    state = wait_until_settled(what, lambda: _state(client, desired.endpoint), deadline)
    if state is None:
        _create(client, what, desired, marker, deadline)
    elif state in UNSUCCESSFUL:
        _repair(client, what, desired, marker, deadline)
    endpoint = _with_scoring_uri(client, what, desired.endpoint)
    there = compute_name(endpoint.compute) if isinstance(endpoint, KubernetesOnlineEndpoint) else ""
    if there.lower() != compute_name(desired.machines.compute).lower():
        raise DeploymentError(
            f"{what}: exists on compute {there}: set another endpoint_name, or compute={there}"
            if there
            else f"{what}: exists as a managed endpoint: set another endpoint_name, or leave compute empty"
        )
    return endpoint


def read_endpoint(client: MLClient, name: str) -> OnlineEndpoint:
    """Read an endpoint.

    Raises:
        DeploymentError: If it cannot be read.
    """
    with azure_errors(f"reading endpoint {name}", DeploymentError):
        endpoint: OnlineEndpoint = shown(f"endpoint {name}", lambda: client.online_endpoints.get(name))
    return endpoint


def find_endpoint(client: MLClient, name: str) -> OnlineEndpoint | None:
    """Return an endpoint; None if it does not exist.

    Raises:
        AzureError: As the SDK raises it.
    """
    try:
        found: OnlineEndpoint = client.online_endpoints.get(name)
    except ResourceNotFoundError:
        return None
    return found


def change_endpoint(
    client: MLClient, name: str, what: str, change: Callable[[OnlineEndpoint], bool], deadline: Deadline
) -> None:
    """Read an endpoint, change it, write it, and wait for the operation.

    A write replaces the whole endpoint. So it is read again after a conflict, and everything that `change` does not
    change is written back.

    Args:
        client: A client of the workspace.
        name: The endpoint's name.
        what: The change for the log, such as `endpoint e: traffic v2 100 %`.
        change: Changes the endpoint in place; returns whether there is anything to write.
        deadline: When to give up.

    Raises:
        DeploymentError: If Azure rejects the change, or the deadline passes.
    """
    with azure_errors(what, DeploymentError):
        _change(client, name, what, change, deadline)


def _change(
    client: MLClient, name: str, what: str, change: Callable[[OnlineEndpoint], bool], deadline: Deadline
) -> None:
    def begin() -> LROPoller[OnlineEndpoint] | None:
        endpoint = shown(f"endpoint {name}", lambda: client.online_endpoints.get(name))
        if not change(endpoint):
            return None
        for read_only in _READ_ONLY_PROPERTIES:
            endpoint.properties.pop(read_only, None)
        started: LROPoller[OnlineEndpoint] = client.online_endpoints.begin_create_or_update(endpoint)
        return started

    run_operation(what, begin, lambda: _state(client, name), deadline)


def delete_endpoint(client: MLClient, name: str, deadline: Deadline) -> None:
    """Delete an endpoint and all its deployments, if it exists.

    Raises:
        DeploymentError: If Azure rejects it, or the deadline passes.
    """
    what = f"endpoint {name}: deleting"

    def begin() -> LROPoller[None] | None:
        return client.online_endpoints.begin_delete(name) if find_endpoint(client, name) else None

    with azure_errors(what, DeploymentError):
        run_operation(what, begin, lambda: _state(client, name), deadline)


def scoring_key(client: MLClient, endpoint_name: str) -> str:
    """Return the endpoint's key, or a token if it uses those; it is redacted in logs from here on.

    Raises:
        DeploymentError: If it cannot be read.
    """
    from azure.ai.ml.entities import EndpointAuthKeys

    what = f"reading the key of endpoint {endpoint_name}"
    with azure_errors(what, DeploymentError):
        keys = shown(f"the key of endpoint {endpoint_name}", lambda: client.online_endpoints.get_keys(endpoint_name))
    key = str(keys.primary_key if isinstance(keys, EndpointAuthKeys) else keys.access_token)
    add_secret(key)
    return key


def live_traffic(endpoint: OnlineEndpoint) -> dict[str, int]:
    """Return the live traffic, percentages by deployment."""
    return {name: share for name, share in endpoint.traffic.items() if share}


def mirror_traffic(endpoint: OnlineEndpoint) -> dict[str, int]:
    """Return the mirrored traffic, percentages by deployment."""
    return {name: share for name, share in (endpoint.mirror_traffic or {}).items() if share}


def check_mirror(endpoint: OnlineEndpoint, deployment: str) -> None:
    """Check that an endpoint's traffic can be mirrored to a deployment.

    Raises:
        DeploymentError: If it is mirrored to another deployment.
    """
    others = sorted(mirror_traffic(endpoint).keys() - {deployment})
    if others:
        raise DeploymentError(
            f"endpoint {endpoint.name}: its traffic is mirrored to {others[0]}, and Azure mirrors to one deployment "
            "only: stop that first, or set another strategy"
        )


def mark(client: MLClient, endpoint_name: str, marker: Marker, deadline: Deadline) -> None:
    """Write a rollout's marker to the endpoint's tags.

    Raises:
        DeploymentError: If Azure rejects it, or the deadline passes.
    """

    def change(endpoint: OnlineEndpoint) -> bool:
        if find_marker(endpoint.tags, marker.deployment) == marker:
            return False
        endpoint.tags = {**(endpoint.tags or {}), marker.tag: marker.value}
        return True

    change_endpoint(
        client, endpoint_name, f"endpoint {endpoint_name}: marking the rollout of {marker.deployment}", change, deadline
    )


def check_marked(endpoint: OnlineEndpoint, marker: Marker) -> None:
    """Check that an endpoint has exactly this marker, not that of a later rollout of the same deployment.

    Raises:
        RolloutOverError: If it does not.
    """
    if find_marker(endpoint.tags, marker.deployment) != marker:
        raise RolloutOverError(
            f"endpoint {endpoint.name}: rollout of {marker.deployment} ended or began again: left as it is"
        )


def unmark(client: MLClient, endpoint_name: str, marker: Marker, deadline: Deadline) -> None:
    """Remove a rollout's marker.

    Raises:
        DeploymentError: If Azure rejects it, or the deadline passes.
    """

    def change(endpoint: OnlineEndpoint) -> bool:
        return (endpoint.tags or {}).pop(marker.tag, None) is not None

    change_endpoint(
        client,
        endpoint_name,
        f"endpoint {endpoint_name}: unmarking the rollout of {marker.deployment}",
        change,
        deadline,
    )


def set_traffic(
    client: MLClient,
    endpoint_name: str,
    traffic: Mapping[str, int],
    deadline: Deadline,
    *,
    marker: Marker | None = None,
    instead_of: Mapping[str, int] | None = None,
) -> None:
    """Set an endpoint's traffic and wait for the operation.

    Args:
        client: A client of the workspace.
        endpoint_name: The endpoint.
        traffic: Percentages by deployment; deployments not named get none.
        deadline: When to give up.
        marker: A marker to write in the same request.
        instead_of: The traffic that the endpoint must have now; None for any.

    Raises:
        DeploymentError: If Azure rejects it, the deadline passes, or another client has moved the traffic.
    """

    def change(endpoint: OnlineEndpoint) -> bool:
        now = live_traffic(endpoint)
        marked = marker is None or find_marker(endpoint.tags, marker.deployment) == marker
        if now == dict(traffic) and marked:
            return False
        if instead_of is not None and now not in (dict(instead_of), dict(traffic)):
            raise DeploymentError(
                f"endpoint {endpoint_name}: another client is moving its traffic, which is {format_traffic(now)} "
                f"instead of {format_traffic(instead_of)}"
            )
        endpoint.traffic = dict(traffic)
        # A deployment has live or mirrored traffic, never both.
        endpoint.mirror_traffic = {
            name: share for name, share in mirror_traffic(endpoint).items() if name not in traffic
        }
        if marker:
            endpoint.tags = {**(endpoint.tags or {}), marker.tag: marker.value}
        return True

    change_endpoint(
        client, endpoint_name, f"endpoint {endpoint_name}: traffic {format_traffic(traffic)}", change, deadline
    )


def take_traffic_from(
    client: MLClient, endpoint_name: str, marker: Marker, deadline: Deadline, *, while_marked: bool = False
) -> tuple[bool, dict[str, int]]:
    """Return a deployment's live and mirrored traffic to the deployments that had it before.

    If the deployment has no traffic, the live traffic stays as it is: another client may have moved it.

    Args:
        client: A client of the workspace.
        endpoint_name: The endpoint.
        marker: The rollout's marker.
        deadline: When to give up.
        while_marked: Only while the endpoint has exactly this marker. A later cleanup needs that to know that the
            rollout has not ended; a rollout that rolls itself back does not.

    Returns:
        Whether the deployment had traffic, and the live traffic afterwards.

    Raises:
        RolloutOverError: If the endpoint no longer has the marker.
        DeploymentError: If Azure rejects it, or the deadline passes.
    """
    had, left = False, dict[str, int]()

    def change(endpoint: OnlineEndpoint) -> bool:
        nonlocal had, left
        if while_marked:
            check_marked(endpoint, marker)
        left, mirrored = live_traffic(endpoint), mirror_traffic(endpoint)
        if marker.deployment not in {*left, *mirrored}:
            return False
        if marker.deployment in left:
            left = without(left, marker.deployment, marker.before)
        had, endpoint.traffic = True, left
        endpoint.mirror_traffic = {name: share for name, share in mirrored.items() if name != marker.deployment}
        return True

    what = f"endpoint {endpoint_name}: taking the traffic from {marker.deployment}"
    change_endpoint(client, endpoint_name, what, change, deadline)
    return had, left


def set_mirror(client: MLClient, endpoint_name: str, deployment: str, percent: int, deadline: Deadline) -> None:
    """Mirror a share of an endpoint's requests to a deployment; 0 percent stops it.

    Raises:
        DeploymentError: If Azure rejects it, the deadline passes, or requests are mirrored to another deployment.
    """

    def change(endpoint: OnlineEndpoint) -> bool:
        mirrored = mirror_traffic(endpoint)
        if mirrored.get(deployment, 0) == percent:
            return False
        if percent:
            check_mirror(endpoint, deployment)
        mirrored[deployment] = percent
        endpoint.mirror_traffic = {name: share for name, share in mirrored.items() if share}
        return True

    change_endpoint(
        client, endpoint_name, f"endpoint {endpoint_name}: {percent} % mirrored to {deployment}", change, deadline
    )


def _create(client: MLClient, what: str, desired: DesiredState, marker: Marker, deadline: Deadline) -> None:
    def begin() -> LROPoller[OnlineEndpoint] | None:
        # It exists if the response to the first request was lost.
        if find_endpoint(client, desired.endpoint):
            return None
        started: LROPoller[OnlineEndpoint] = client.online_endpoints.begin_create_or_update(_new(desired, marker))
        return started

    if desired.machines.compute:
        check_compute(client, desired.machines.compute, desired.machines.instance_type)
    with azure_errors(what, DeploymentError):
        try:
            run_operation(what, begin, lambda: _state(client, desired.endpoint), deadline)
        except ResourceExistsError:
            if find_endpoint(client, desired.endpoint):
                raise
            raise DeploymentError(
                f"{what}: the name is taken in this Azure region: set another endpoint_name, or leave it empty for a "
                "derived name"
            ) from None


def _repair(client: MLClient, what: str, desired: DesiredState, marker: Marker, deadline: Deadline) -> None:
    """Write a failed endpoint again; delete and create it if its creation failed."""

    def change(endpoint: OnlineEndpoint) -> bool:
        return endpoint.provisioning_state in UNSUCCESSFUL

    try:
        _change(client, desired.endpoint, what, change, deadline)
    except AzureError as error:
        if not never_provisioned(error):
            raise explain(error, what, DeploymentError) from error
        progress(f"{what}: its creation failed, deleting and creating it again")
        _delete_failed(client, what, desired.endpoint, deadline)
        _create(client, what, desired, marker, deadline)


def _delete_failed(client: MLClient, what: str, name: str, deadline: Deadline) -> None:
    """Delete an endpoint whose creation failed, if this step created it and it is not in use.

    Raises:
        DeploymentError: If it must not be deleted, or Azure rejects it.
    """
    delete = f"az ml online-endpoint delete --name {name}"

    def begin() -> LROPoller[None] | None:
        endpoint = find_endpoint(client, name)
        # Another client may have deleted it, or created it again, since.
        if endpoint is None or endpoint.provisioning_state not in UNSUCCESSFUL:
            return None
        if RUN_PROPERTY not in endpoint.properties:
            raise DeploymentError(
                f"{what}: its creation failed, Azure ML does not use it, and no run of this step created it: set "
                f"another endpoint_name, or delete it ({delete})"
            )
        others = [
            one.name for one in client.online_deployments.list(name) if FINGERPRINT_PROPERTY not in one.properties
        ]
        users = sorted({*live_traffic(endpoint), *mirror_traffic(endpoint), *others})
        if users:
            raise DeploymentError(
                f"{what}: its creation failed and Azure ML does not use it, but {', '.join(users)} would be deleted "
                f"too: delete it if that is intended ({delete}), or set another endpoint_name"
            )
        started: LROPoller[None] = client.online_endpoints.begin_delete(name)
        return started

    doing = f"{what}: deleting"
    with azure_errors(doing, DeploymentError):
        run_operation(doing, begin, lambda: _state(client, name), deadline)


def _with_scoring_uri(client: MLClient, what: str, name: str) -> OnlineEndpoint:
    """Read an endpoint once it has its scoring URI, which a new one lacks for a while."""
    with azure_errors(f"reading {what}", DeploymentError):
        endpoint: OnlineEndpoint = shown(
            what, lambda: client.online_endpoints.get(name), lambda found: bool(found.scoring_uri)
        )
    if not endpoint.scoring_uri:
        raise DeploymentError(
            f"{what}: {endpoint.provisioning_state}, but has no scoring URI: run the step again, or delete it "
            f"(az ml online-endpoint delete --name {name})"
        )
    return endpoint


def _new(desired: DesiredState, marker: Marker) -> OnlineEndpoint:
    from azure.ai.ml.entities import KubernetesOnlineEndpoint, ManagedOnlineEndpoint

    compute = desired.machines.compute
    settings: dict[str, Any] = {
        "name": desired.endpoint,
        "auth_mode": "key",
        "properties": {RUN_PROPERTY: desired.run_id},
        "tags": {marker.tag: marker.value},
    }
    return KubernetesOnlineEndpoint(**settings, compute=compute) if compute else ManagedOnlineEndpoint(**settings)


def _state(client: MLClient, name: str) -> str | None:
    endpoint = find_endpoint(client, name)
    return endpoint.provisioning_state if endpoint else None
