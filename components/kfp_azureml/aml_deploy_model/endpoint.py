"""The endpoint: finding it or making it, its key, its traffic. Whatever else it has stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from azure.core.exceptions import ResourceNotFoundError

from kfp_azureml.aml_deploy_model.plan import Plan
from kfp_azureml.azureml.failures import azure_errors
from kfp_azureml.azureml.properties import RUN_PROPERTY
from kfp_azureml.azureml.waiting import Deadline, run_operation, wait_until_settled
from kfp_azureml.errors import DeploymentError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineEndpoint

# The SDK mixes these into the properties it read, and would write them back.
_READ_ONLY_PROPERTIES = ("createdBy", "createdAt", "lastModifiedAt")


def ensure_endpoint(client: MLClient, plan: Plan, deadline: Deadline) -> OnlineEndpoint:
    """Return the plan's endpoint: made if there is none, mended if it failed, otherwise not touched.

    Raises:
        DeploymentError: If it cannot be made, or is somewhere else than planned.
    """
    from azure.ai.ml.entities import KubernetesOnlineEndpoint

    what = f"endpoint {plan.endpoint}"
    wait_until_settled(what, lambda: _state(client, plan.endpoint), deadline)
    with azure_errors(what, DeploymentError):
        endpoint = _find(client, plan.endpoint)
        if endpoint is None:
            return _write(client, what, _new(plan), deadline)
        there = _compute_name(endpoint.compute) if isinstance(endpoint, KubernetesOnlineEndpoint) else ""
        if there.lower() != _compute_name(plan.machines.compute).lower():
            raise DeploymentError(
                f"{what}: exists and is on compute {there}: name another endpoint, or give this compute"
                if there
                else f"{what}: exists and is managed: name another endpoint, or give no compute"
            )
        if endpoint.provisioning_state == "Failed":
            return _write(client, what, endpoint, deadline)
        return endpoint


def scoring_key(client: MLClient, endpoint_name: str) -> str:
    """Return the endpoint's key, or a token where it takes those.

    Raises:
        DeploymentError: If Azure does not give it.
    """
    from azure.ai.ml.entities import EndpointAuthKeys

    with azure_errors(f"reading the key of endpoint {endpoint_name}", DeploymentError):
        keys = client.online_endpoints.get_keys(endpoint_name)
    return str(keys.primary_key if isinstance(keys, EndpointAuthKeys) else keys.access_token)


def live_traffic(endpoint: OnlineEndpoint) -> dict[str, int]:
    """Return the deployments that get traffic, with their percentages."""
    return {name: share for name, share in endpoint.traffic.items() if share}


def current_traffic(client: MLClient, endpoint_name: str) -> dict[str, int]:
    """Read an endpoint's live traffic.

    Raises:
        DeploymentError: If Azure does not tell.
    """
    with azure_errors(f"reading the traffic of endpoint {endpoint_name}", DeploymentError):
        return live_traffic(client.online_endpoints.get(endpoint_name))


def set_traffic(client: MLClient, endpoint_name: str, traffic: Mapping[str, int], deadline: Deadline) -> None:
    """Give an endpoint this traffic and wait until it is so.

    Args:
        client: A client of the workspace.
        endpoint_name: The endpoint.
        traffic: Percentages by deployment; whom it does not name gets none.
        deadline: When to give up.

    Raises:
        DeploymentError: If Azure does not do it, or not in time.
    """
    with azure_errors(f"setting the traffic of endpoint {endpoint_name}", DeploymentError):
        endpoint = client.online_endpoints.get(endpoint_name)
        if live_traffic(endpoint) != dict(traffic):
            endpoint.traffic = dict(traffic)
            # A deployment gets live or mirrored traffic, never both.
            mirrored = endpoint.mirror_traffic.items()
            endpoint.mirror_traffic = {name: share for name, share in mirrored if name not in traffic}
            _write(client, f"endpoint {endpoint_name}: traffic {traffic_words(traffic)}", endpoint, deadline)


def traffic_words(traffic: Mapping[str, int]) -> str:
    """Say a traffic for people, such as `v1 90 %, v2 10 %`."""
    return ", ".join(f"{name} {share} %" for name, share in traffic.items()) or "none"


def _new(plan: Plan) -> OnlineEndpoint:
    from azure.ai.ml.entities import KubernetesOnlineEndpoint, ManagedOnlineEndpoint

    properties = {RUN_PROPERTY: plan.run_id}
    compute = plan.machines.compute
    if compute:
        return KubernetesOnlineEndpoint(name=plan.endpoint, auth_mode="key", properties=properties, compute=compute)
    return ManagedOnlineEndpoint(name=plan.endpoint, auth_mode="key", properties=properties)


def _write(client: MLClient, what: str, endpoint: OnlineEndpoint, deadline: Deadline) -> OnlineEndpoint:
    for name in _READ_ONLY_PROPERTIES:
        endpoint.properties.pop(name, None)
    written: OnlineEndpoint = run_operation(
        what,
        lambda: client.online_endpoints.begin_create_or_update(endpoint),
        lambda: _state(client, str(endpoint.name)),
        deadline,
    )
    return written


def _compute_name(compute: str | None) -> str:
    """Return a compute's name, of the name itself or of its Azure resource id; empty: managed by Azure."""
    return (compute or "").rsplit("/", 1)[-1]


def _find(client: MLClient, name: str) -> OnlineEndpoint | None:
    try:
        found: OnlineEndpoint = client.online_endpoints.get(name)
    except ResourceNotFoundError:
        return None
    return found


def _state(client: MLClient, name: str) -> str | None:
    endpoint = _find(client, name)
    return endpoint.provisioning_state if endpoint else None
