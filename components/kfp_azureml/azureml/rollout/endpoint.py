"""The endpoint: finding it or making it, its key, its traffic. Whatever else it has stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError

from kfp_azureml.azureml.failures import azure_errors, explain, never_provisioned
from kfp_azureml.azureml.properties import FINGERPRINT_PROPERTY, RUN_PROPERTY
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.azureml.rollout.desired_state import DesiredState
from kfp_azureml.azureml.rollout.marker import Marker, find_marker
from kfp_azureml.azureml.rollout.traffic import in_words, without
from kfp_azureml.azureml.waiting import Deadline, run_operation, shown, wait_until_settled
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.redaction import hide
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Compute, OnlineEndpoint
    from azure.core.polling import LROPoller

# The SDK mixes these into the properties it read, and would write them back.
_READ_ONLY_PROPERTIES = ("createdBy", "createdAt", "lastModifiedAt")


UNSUCCESSFUL = ("Failed", "Canceled")
"""The provisioning states of an endpoint or deployment that was not provisioned as asked."""


class RollOutOverError(DeploymentError):
    """The endpoint is not marked with the roll-out any more."""


def ensure_endpoint(client: MLClient, desired: DesiredState, marker: Marker, deadline: Deadline) -> OnlineEndpoint:
    """Return the plan's endpoint: made if there is none, mended or made anew if it failed, otherwise not touched.

    Args:
        client: A client of the workspace.
        desired: What is to be live.
        marker: What a new endpoint is marked with, from its first moment on.
        deadline: When to give up.

    Raises:
        DeploymentError: If it cannot be made, or is somewhere else than planned.
    """
    from azure.ai.ml.entities import KubernetesOnlineEndpoint

    what = f"endpoint {desired.endpoint}"
    state = wait_until_settled(what, lambda: _state(client, desired.endpoint), deadline)
    if state is None:
        _create(client, what, desired, marker, deadline)
    elif state in UNSUCCESSFUL:
        _mend(client, what, desired, marker, deadline)
    endpoint = _with_address(client, what, desired.endpoint)
    there = _compute_name(endpoint.compute) if isinstance(endpoint, KubernetesOnlineEndpoint) else ""
    if there.lower() != _compute_name(desired.machines.compute).lower():
        raise DeploymentError(
            f"{what}: exists and is on compute {there}: name another endpoint, or give this compute"
            if there
            else f"{what}: exists and is managed: name another endpoint, or give no compute"
        )
    return endpoint


def read_endpoint(client: MLClient, name: str) -> OnlineEndpoint:
    """Read an endpoint.

    Raises:
        DeploymentError: If Azure does not show it.
    """
    with azure_errors(f"reading endpoint {name}", DeploymentError):
        endpoint: OnlineEndpoint = shown(f"endpoint {name}", lambda: client.online_endpoints.get(name))
    return endpoint


def find_endpoint(client: MLClient, name: str) -> OnlineEndpoint | None:
    """Return an endpoint; None if there is none of this name.

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
    """Read an endpoint, change it, write it, and wait until it is so.

    Azure replaces the whole endpoint by what is written. So it is read again each time another operation came first,
    and all that `change` leaves alone is written back as it was.

    Args:
        client: A client of the workspace.
        name: The endpoint's name.
        what: The change for the log, such as `endpoint e: traffic v2 100 %`.
        change: Changes the endpoint that was read; returns whether there was anything to change.
        deadline: When to give up.

    Raises:
        DeploymentError: If Azure does not do it, or not in time.
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
    """Delete an endpoint and all that is on it, unless it is already gone.

    Raises:
        DeploymentError: If Azure does not do it, or not in time.
    """
    what = f"endpoint {name}: deleting"

    def begin() -> LROPoller[None] | None:
        return client.online_endpoints.begin_delete(name) if find_endpoint(client, name) else None

    with azure_errors(what, DeploymentError):
        run_operation(what, begin, lambda: _state(client, name), deadline)


def scoring_key(client: MLClient, endpoint_name: str) -> str:
    """Return the endpoint's key, or a token where it takes those; from now on no log shows it.

    Raises:
        DeploymentError: If Azure does not give it.
    """
    from azure.ai.ml.entities import EndpointAuthKeys

    what = f"reading the key of endpoint {endpoint_name}"
    with azure_errors(what, DeploymentError):
        keys = shown(f"the key of endpoint {endpoint_name}", lambda: client.online_endpoints.get_keys(endpoint_name))
    key = str(keys.primary_key if isinstance(keys, EndpointAuthKeys) else keys.access_token)
    hide(key)
    return key


def live_traffic(endpoint: OnlineEndpoint) -> dict[str, int]:
    """Return the deployments that get traffic, with their percentages."""
    return {name: share for name, share in endpoint.traffic.items() if share}


def mirror_traffic(endpoint: OnlineEndpoint) -> dict[str, int]:
    """Return the deployments that requests are copied to, with their percentages."""
    return {name: share for name, share in (endpoint.mirror_traffic or {}).items() if share}


def check_mirror(endpoint: OnlineEndpoint, deployment: str) -> None:
    """Check that an endpoint's traffic can be mirrored to a deployment.

    Raises:
        DeploymentError: If another one is mirrored to already.
    """
    others = sorted(mirror_traffic(endpoint).keys() - {deployment})
    if others:
        raise DeploymentError(
            f"endpoint {endpoint.name}: its traffic is mirrored to {others[0]} already, and Azure mirrors to one "
            "deployment only: end that first, or take another strategy"
        )


def mark(client: MLClient, endpoint_name: str, marker: Marker, deadline: Deadline) -> None:
    """Note in the endpoint's tags that a roll-out is under way.

    Raises:
        DeploymentError: If Azure does not do it, or not in time.
    """

    def change(endpoint: OnlineEndpoint) -> bool:
        if find_marker(endpoint.tags, marker.deployment) == marker:
            return False
        endpoint.tags = {**(endpoint.tags or {}), marker.tag: marker.value}
        return True

    change_endpoint(
        client, endpoint_name, f"endpoint {endpoint_name}: noting the roll-out of {marker.deployment}", change, deadline
    )


def check_marked(endpoint: OnlineEndpoint, marker: Marker) -> None:
    """Check that an endpoint is marked with this very roll-out, not with a later attempt at the same deployment.

    Raises:
        RollOutOverError: If it is not.
    """
    if find_marker(endpoint.tags, marker.deployment) != marker:
        raise RollOutOverError(
            f"endpoint {endpoint.name}: the roll-out of {marker.deployment} is over, or was begun again: left as it is"
        )


def unmark(client: MLClient, endpoint_name: str, marker: Marker, deadline: Deadline) -> None:
    """Take the note away.

    Raises:
        DeploymentError: If Azure does not do it, or not in time.
    """

    def change(endpoint: OnlineEndpoint) -> bool:
        return (endpoint.tags or {}).pop(marker.tag, None) is not None

    change_endpoint(
        client,
        endpoint_name,
        f"endpoint {endpoint_name}: the roll-out of {marker.deployment} is over",
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
    """Give an endpoint this traffic and wait until it is so.

    Args:
        client: A client of the workspace.
        endpoint_name: The endpoint.
        traffic: Percentages by deployment; whom it does not name gets none.
        deadline: When to give up.
        marker: A note of the roll-out to be written with it.
        instead_of: The traffic it has to have now. By default any.

    Raises:
        DeploymentError: If Azure does not do it, or not in time; or if somebody else has moved the traffic.
    """

    def change(endpoint: OnlineEndpoint) -> bool:
        now = live_traffic(endpoint)
        marked = marker is None or find_marker(endpoint.tags, marker.deployment) == marker
        if now == dict(traffic) and marked:
            return False
        if instead_of is not None and now not in (dict(instead_of), dict(traffic)):
            raise DeploymentError(
                f"endpoint {endpoint_name}: somebody else moves its traffic, it is {in_words(now)} and was "
                f"{in_words(instead_of)} before"
            )
        endpoint.traffic = dict(traffic)
        # A deployment gets live or mirrored traffic, never both.
        endpoint.mirror_traffic = {
            name: share for name, share in mirror_traffic(endpoint).items() if name not in traffic
        }
        if marker:
            endpoint.tags = {**(endpoint.tags or {}), marker.tag: marker.value}
        return True

    change_endpoint(client, endpoint_name, f"endpoint {endpoint_name}: traffic {in_words(traffic)}", change, deadline)


def take_traffic_from(
    client: MLClient, endpoint_name: str, marker: Marker, deadline: Deadline, *, while_marked: bool = False
) -> tuple[bool, dict[str, int]]:
    """Take all traffic, live or mirrored, from a deployment that was being rolled out; the others get theirs back.

    Where it has none (any more), what is live stays as it is: somebody may have moved it since.

    Args:
        client: A client of the workspace.
        endpoint_name: The endpoint.
        marker: The roll-out.
        deadline: When to give up.
        while_marked: Whether to do so only while the endpoint is marked with this very roll-out. A roll-out that sees
            a limit exceeded needs no mark; whoever comes later has nothing else to tell it from one that is over.

    Returns:
        Whether it had any, and the live traffic as it is then.

    Raises:
        RollOutOverError: If it is not marked with the roll-out any more.
        DeploymentError: If Azure does not do it, or not in time.
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
    """Have a share of an endpoint's requests copied to a deployment; with 0 percent no longer.

    Raises:
        DeploymentError: If Azure does not do it, or not in time; or if another deployment is mirrored to already.
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
        # There already, where the answer to the first request got lost.
        if find_endpoint(client, desired.endpoint):
            return None
        started: LROPoller[OnlineEndpoint] = client.online_endpoints.begin_create_or_update(_new(desired, marker))
        return started

    with azure_errors(what, DeploymentError):
        try:
            run_operation(what, begin, lambda: _state(client, desired.endpoint), deadline)
        except ResourceExistsError:
            if find_endpoint(client, desired.endpoint):
                raise
            raise DeploymentError(
                f"{what}: somebody else in this Azure region has an endpoint of this name: give another endpoint_name, "
                "or none for a derived one"
            ) from None
        except ResourceNotFoundError:
            # Azure says the same of the compute, the resource group and the workspace: so we look.
            if not desired.machines.compute or _find_compute(client, desired.machines.compute):
                raise
            raise DeploymentError(
                f"{what}: compute {desired.machines.compute} is not attached to workspace {client.workspace_name}: attach "
                "the cluster, name another compute, or give none"
            ) from None


def _mend(client: MLClient, what: str, desired: DesiredState, marker: Marker, deadline: Deadline) -> None:
    """Write an endpoint again whose last change failed; make it anew if that was its creation."""

    def change(endpoint: OnlineEndpoint) -> bool:
        return endpoint.provisioning_state in UNSUCCESSFUL

    try:
        _change(client, desired.endpoint, what, change, deadline)
    except AzureError as error:
        if not never_provisioned(error):
            raise explain(error, what, DeploymentError) from error
        progress(f"{what}: its creation failed, so it is deleted and made anew")
        _delete_failed(client, what, desired.endpoint, deadline)
        _create(client, what, desired, marker, deadline)


def _delete_failed(client: MLClient, what: str, name: str, deadline: Deadline) -> None:
    """Delete an endpoint whose creation failed, if a run of ours made it and nobody uses it.

    Raises:
        DeploymentError: If it is not ours to delete, or Azure does not do it.
    """
    delete = f"az ml online-endpoint delete --name {name}"

    def begin() -> LROPoller[None] | None:
        endpoint = find_endpoint(client, name)
        # It may have been deleted, and even made anew, by somebody else since.
        if endpoint is None or endpoint.provisioning_state not in UNSUCCESSFUL:
            return None
        if RUN_PROPERTY not in endpoint.properties:
            raise DeploymentError(
                f"{what}: its creation failed, Azure ML does not use it, and no run of this step made it: delete it "
                f"({delete}), or give another endpoint_name"
            )
        others = [
            one.name for one in client.online_deployments.list(name) if FINGERPRINT_PROPERTY not in one.properties
        ]
        users = sorted({*live_traffic(endpoint), *mirror_traffic(endpoint), *others})
        if users:
            raise DeploymentError(
                f"{what}: its creation failed and Azure ML does not use it, but {', '.join(users)} would go with it: "
                f"delete it if that may be ({delete}), or give another endpoint_name"
            )
        started: LROPoller[None] = client.online_endpoints.begin_delete(name)
        return started

    doing = f"{what}: deleting"
    with azure_errors(doing, DeploymentError):
        run_operation(doing, begin, lambda: _state(client, name), deadline)


def _with_address(client: MLClient, what: str, name: str) -> OnlineEndpoint:
    """Read an endpoint that has its scoring address: a new one has none for a while."""
    with azure_errors(f"reading {what}", DeploymentError):
        endpoint: OnlineEndpoint = shown(
            what, lambda: client.online_endpoints.get(name), lambda found: bool(found.scoring_uri)
        )
    if not endpoint.scoring_uri:
        raise DeploymentError(
            f"{what}: {endpoint.provisioning_state}, but has no scoring address: run the step again, or delete it "
            f"(az ml online-endpoint delete --name {name})"
        )
    return endpoint


def _find_compute(client: MLClient, compute: str) -> Compute | None:
    name = _compute_name(compute)
    try:
        found: Compute = retrying(f"reading compute {name}", lambda: client.compute.get(name))
    except ResourceNotFoundError:
        return None
    return found


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


def _compute_name(compute: str | None) -> str:
    """Return a compute's name, of the name itself or of its Azure resource id; empty: managed by Azure."""
    return (compute or "").rsplit("/", 1)[-1]


def _state(client: MLClient, name: str) -> str | None:
    endpoint = find_endpoint(client, name)
    return endpoint.provisioning_state if endpoint else None
