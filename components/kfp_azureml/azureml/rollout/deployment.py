"""The deployment: create or update it, delete it, and show its log when it fails."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ResourceNotFoundError

from kfp_azureml.azureml.azure_errors import azure_errors, explain, has_traffic, is_image_failure, never_provisioned
from kfp_azureml.azureml.build_log import read_build_log
from kfp_azureml.azureml.property_names import FINGERPRINT_PROPERTY, RUN_PROPERTY
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.azureml.rollout.desired_state import DesiredState, Machines
from kfp_azureml.azureml.rollout.endpoint import (
    UNSUCCESSFUL,
    find_endpoint,
    live_traffic,
    mirror_traffic,
    read_endpoint,
)
from kfp_azureml.azureml.rollout.environment import EnvironmentRecipe, ensure_environment
from kfp_azureml.azureml.rollout.kubernetes import check_compute
from kfp_azureml.azureml.rollout.settings_entities import (
    has_scaling,
    has_settings,
    scaling_entities,
    settings_entities,
)
from kfp_azureml.azureml.waiting import Deadline, is_in_flight, run_operation, shown, wait_until_settled
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint
    from azure.core.polling import LROPoller

_LOG_LINES = 100  # of a failed container or image build

logger = logging.getLogger(__name__)


class HasTrafficError(DeploymentError):
    """A deployment has traffic and cannot be deleted."""


def ensure_deployment(
    client: MLClient, desired: DesiredState, endpoint: OnlineEndpoint, instance_count: int, deadline: Deadline
) -> OnlineDeployment:
    """Create, update or replace the deployment if it is not in the desired state, and return it.

    Args:
        client: A client of the workspace.
        desired: The desired state.
        endpoint: Its endpoint.
        instance_count: Number of instances of a new deployment.
        deadline: When to give up.

    Raises:
        DeploymentError: If it does not come up in time; the end of the container's or the image build's log is then
            logged. Or if it serves live traffic with another model or code, or is a failed deployment that no run of
            this step created.
    """
    what = f"deployment {desired.deployment} of endpoint {desired.endpoint}"
    state = partial(_state, client, desired.endpoint, desired.deployment)
    wait_until_settled(what, state, deadline)
    with azure_errors(f"reading {what}", DeploymentError):
        existing = retrying(f"reading {what}", lambda: find_deployment(client, desired.endpoint, desired.deployment))
    if existing and desired.deployment in live_traffic(endpoint) and not _answers_as_desired(existing, desired):
        raise DeploymentError(
            f"{what}: serves live traffic with another model or code: set another deployment_name, or leave it empty"
        )
    if desired.machines.compute and not (existing and _is_as_desired(existing, desired)):
        check_compute(client, desired.machines.compute, desired.machines.instance_type)
    if isinstance(desired.serving.environment, EnvironmentRecipe):
        recipe = desired.serving.environment
        with azure_errors(f"environment {recipe.reference}", DeploymentError):
            retrying(f"environment {recipe.reference}", lambda: ensure_environment(client, recipe))

    def begin() -> LROPoller[OnlineDeployment] | None:
        # Read on each try: an earlier request may have succeeded although its response was lost.
        existing = find_deployment(client, desired.endpoint, desired.deployment)
        if existing and _is_as_desired(existing, desired):
            progress(f"{what}: already in the desired state")
            return None
        count = desired.machines.count(existing.instance_count if existing else instance_count)
        started: LROPoller[OnlineDeployment] = client.online_deployments.begin_create_or_update(_new(desired, count))
        return started

    try:
        try:
            run_operation(what, begin, state, deadline)
        except AzureError as error:
            if not never_provisioned(error):
                raise
            progress(f"{what}: its first provisioning failed, deleting and creating it again")
            _delete_failed(client, what, desired, deadline)
            run_operation(what, begin, state, deadline)
    except DeploymentError:  # timeout
        log_container(client, desired.endpoint, desired.deployment)
        raise
    except AzureError as error:
        _log_failure(client, desired, error)
        raise explain(error, what, DeploymentError) from error
    with azure_errors(f"reading {what}", DeploymentError):
        deployed: OnlineDeployment = shown(
            what, lambda: client.online_deployments.get(desired.deployment, desired.endpoint)
        )
    return deployed


def find_deployment(client: MLClient, endpoint_name: str, name: str) -> OnlineDeployment | None:
    """Return a deployment; None if it does not exist.

    Raises:
        AzureError: As the SDK raises it.
    """
    try:
        found: OnlineDeployment = client.online_deployments.get(name, endpoint_name)
    except ResourceNotFoundError:
        return None
    return found


def live_deployment(client: MLClient, endpoint: OnlineEndpoint, other_than: str) -> OnlineDeployment | None:
    """Return the other deployment with the largest share of the endpoint's traffic; None if there is none.

    Raises:
        DeploymentError: If it cannot be read.
    """
    live = {name: share for name, share in live_traffic(endpoint).items() if name != other_than}
    if not live:
        return None
    name, endpoint_name = max(live, key=live.__getitem__), str(endpoint.name)
    what = f"reading deployment {name} of endpoint {endpoint_name}"
    with azure_errors(what, DeploymentError):
        return retrying(what, lambda: find_deployment(client, endpoint_name, name))


def delete_deployment(client: MLClient, endpoint_name: str, name: str, deadline: Deadline) -> None:
    """Delete a deployment, if it exists.

    Raises:
        HasTrafficError: If it has traffic.
        DeploymentError: If Azure rejects it for another reason, or the deadline passes.
    """
    what = f"deployment {name} of endpoint {endpoint_name}: deleting"

    def begin() -> LROPoller[None] | None:
        there = find_deployment(client, endpoint_name, name)
        return client.online_deployments.begin_delete(name, endpoint_name) if there else None

    try:
        run_operation(what, begin, partial(_state, client, endpoint_name, name), deadline)
    except AzureError as error:
        # Azure accepts the request, and the operation fails.
        raise explain(error, what, HasTrafficError if has_traffic(error) else DeploymentError) from error


def log_container(client: MLClient, endpoint_name: str, name: str) -> None:
    """Log the end of a deployment's container log, if Azure returns it."""
    try:
        log = retrying(
            f"reading the log of deployment {name}",
            lambda: client.online_deployments.get_logs(name, endpoint_name, _LOG_LINES),
        )
    except AzureError as error:
        logger.warning("deployment %s: no container log (%s)", name, type(error).__name__)
    else:
        logger.error("deployment %s: end of the container log:\n%s", name, log.rstrip())


def _delete_failed(client: MLClient, what: str, desired: DesiredState, deadline: Deadline) -> None:
    """Delete a deployment whose first provisioning failed, if this step created it and it has no traffic.

    Raises:
        DeploymentError: If it must not be deleted, or Azure rejects it.
    """
    delete = f"az ml online-deployment delete --name {desired.deployment} --endpoint-name {desired.endpoint}"

    def begin() -> LROPoller[None] | None:
        deployment = find_deployment(client, desired.endpoint, desired.deployment)
        # Another client may have deleted it, or created it again, since.
        if deployment is None or deployment.provisioning_state not in UNSUCCESSFUL:
            return None
        endpoint = read_endpoint(client, desired.endpoint)
        if not {FINGERPRINT_PROPERTY, RUN_PROPERTY} & deployment.properties.keys():
            raise DeploymentError(
                f"{what}: its first provisioning failed, Azure ML cannot change it, and no run of this step "
                f"created it: set another deployment_name, or delete it ({delete})"
            )
        if desired.deployment in {*live_traffic(endpoint), *mirror_traffic(endpoint)}:
            raise DeploymentError(
                f"{what}: its first provisioning failed, Azure ML cannot change it, and it has a share of the "
                "traffic: move that to another deployment, then run the step again"
            )
        started: LROPoller[None] = client.online_deployments.begin_delete(desired.deployment, desired.endpoint)
        return started

    doing = f"{what}: deleting"
    with azure_errors(doing, DeploymentError):
        run_operation(doing, begin, partial(_state, client, desired.endpoint, desired.deployment), deadline)


def _new(desired: DesiredState, instance_count: int) -> OnlineDeployment:
    from azure.ai.ml.entities import CodeConfiguration, KubernetesOnlineDeployment, ManagedOnlineDeployment

    serving, machines = desired.serving, desired.machines
    code = None
    if serving.code:
        code = CodeConfiguration(code=str(serving.code.resolve()), scoring_script=serving.scoring_script)
    resources: dict[str, Any] = {"resources": machines.resources.entity()} if machines.resources else {}
    kind = KubernetesOnlineDeployment if machines.compute else ManagedOnlineDeployment
    return kind(
        name=desired.deployment,
        endpoint_name=desired.endpoint,
        model=desired.model_id,
        code_configuration=code,
        environment=serving.environment_reference,
        environment_variables=serving.environment_variables(desired.server.requests.timeout_seconds),
        instance_type=machines.resolved_instance_type,
        instance_count=instance_count,
        properties={FINGERPRINT_PROPERTY: desired.fingerprint, RUN_PROPERTY: desired.run_id},
        tags={"model": desired.model},
        **settings_entities(desired.server),
        **(scaling_entities(machines.scaling) if machines.compute else {}),
        **resources,
    )


def _is_as_desired(deployment: OnlineDeployment, desired: DesiredState) -> bool:
    return (
        _answers_as_desired(deployment, desired)
        and deployment.provisioning_state == "Succeeded"
        and _runs_on(deployment, desired.machines)
        and has_settings(deployment, desired.server)
        and (desired.machines.resources is None or desired.machines.resources.are_those_of(deployment))
    )


def _answers_as_desired(deployment: OnlineDeployment, desired: DesiredState) -> bool:
    return bool(deployment.properties.get(FINGERPRINT_PROPERTY) == desired.fingerprint)


def _runs_on(deployment: OnlineDeployment, machines: Machines) -> bool:
    wanted = machines.resolved_instance_type
    return (
        deployment.instance_count == machines.count(deployment.instance_count)
        and wanted in (None, deployment.instance_type)
        and (not machines.compute or has_scaling(deployment, machines.scaling))
    )


def _log_failure(client: MLClient, desired: DesiredState, error: AzureError) -> None:
    """Log the image build's log if that failed, else the container's."""
    if is_image_failure(error):
        log = read_build_log(client, _LOG_LINES)
        if log:
            logger.error("environment of deployment %s: end of the image build log:\n%s", desired.deployment, log)
            return
    log_container(client, desired.endpoint, desired.deployment)


def _state(client: MLClient, endpoint_name: str, name: str) -> str | None:
    """Return the deployment's state, or the endpoint's while that changes.

    Azure then rejects changes of both.
    """
    deployment = find_deployment(client, endpoint_name, name)
    state: str | None = deployment.provisioning_state if deployment else None
    if is_in_flight(state):
        return state
    endpoint = find_endpoint(client, endpoint_name)
    return endpoint.provisioning_state if endpoint and is_in_flight(endpoint.provisioning_state) else state
