"""The deployment: finding the one that is wanted or making it, and its log when it fails."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError, ResourceNotFoundError

from kfp_azureml.aml_deploy_model.endpoint import live_traffic
from kfp_azureml.aml_deploy_model.environment import EnvironmentRecipe, ensure_environment
from kfp_azureml.aml_deploy_model.plan import Machines, Plan
from kfp_azureml.azureml.failures import azure_errors, explain
from kfp_azureml.azureml.properties import FINGERPRINT_PROPERTY, RUN_PROPERTY
from kfp_azureml.azureml.waiting import Deadline, run_operation, wait_until_settled
from kfp_azureml.errors import DeploymentError
from kfp_azureml.steps import progress

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint

_LOG_LINES = 100  # of a container that failed or does not get ready
# A container has ten minutes to load its model; after that the same settings find one that hangs.
_PROBE = {"initial_delay": 10, "period": 10, "timeout": 10, "success_threshold": 1, "failure_threshold": 60}
# An image takes milliseconds: requests queue for a moment, where Azure's default refuses the third at once.
_REQUESTS = {"request_timeout_ms": 60_000, "max_concurrent_requests_per_instance": 16}

logger = logging.getLogger(__name__)


def ensure_deployment(client: MLClient, plan: Plan, endpoint: OnlineEndpoint, deadline: Deadline) -> OnlineDeployment:
    """Return the plan's deployment, made or updated where it is not yet as planned.

    Raises:
        DeploymentError: If it does not come up, or not in time; the end of its container's log is then in ours. Or if
            it serves live traffic with something else.
    """
    what = f"deployment {plan.deployment} of endpoint {plan.endpoint}"
    wait_until_settled(what, lambda: _state(client, plan), deadline)
    with azure_errors(what, DeploymentError):
        existing = _find(client, plan)
        if existing:
            same = existing.properties.get(FINGERPRINT_PROPERTY) == plan.fingerprint
            if same and existing.provisioning_state == "Succeeded" and _runs_on(existing, plan.machines):
                progress(f"{what}: already there")
                return existing
            if not same and plan.deployment in live_traffic(endpoint):
                raise DeploymentError(
                    f"{what}: serves live traffic with another model or code: name another deployment_name, or none"
                )
        if isinstance(plan.serving.environment, EnvironmentRecipe):
            ensure_environment(client, plan.serving.environment)
    try:
        deployed: OnlineDeployment = run_operation(
            what,
            lambda: client.online_deployments.begin_create_or_update(_new(plan)),
            lambda: _state(client, plan),
            deadline,
        )
    except DeploymentError:  # time is up
        _log_container(client, plan)
        raise
    except AzureError as error:
        _log_container(client, plan)
        raise explain(error, what, DeploymentError) from error
    return deployed


def _new(plan: Plan) -> OnlineDeployment:
    from azure.ai.ml.entities import (
        CodeConfiguration,
        KubernetesOnlineDeployment,
        ManagedOnlineDeployment,
        OnlineRequestSettings,
        ProbeSettings,
    )

    serving, machines = plan.serving, plan.machines
    code = None
    if serving.code:
        code = CodeConfiguration(code=str(serving.code.resolve()), scoring_script=serving.scoring_script)
    kind = KubernetesOnlineDeployment if machines.compute else ManagedOnlineDeployment
    return kind(
        name=plan.deployment,
        endpoint_name=plan.endpoint,
        model=plan.model_id,
        code_configuration=code,
        environment=serving.environment_reference,
        environment_variables=serving.environment_variables,
        instance_type=machines.resolved_instance_type,
        instance_count=machines.instance_count,
        liveness_probe=ProbeSettings(**_PROBE),
        readiness_probe=ProbeSettings(**_PROBE),
        request_settings=OnlineRequestSettings(**_REQUESTS),
        properties={FINGERPRINT_PROPERTY: plan.fingerprint, RUN_PROPERTY: plan.run_id},
        tags={"model": plan.model},
    )


def _runs_on(deployment: OnlineDeployment, machines: Machines) -> bool:
    wanted = machines.resolved_instance_type
    return deployment.instance_count == machines.instance_count and wanted in (None, deployment.instance_type)


def _log_container(client: MLClient, plan: Plan) -> None:
    try:
        log = client.online_deployments.get_logs(plan.deployment, plan.endpoint, _LOG_LINES)
    except AzureError as error:
        logger.warning("deployment %s: no container log to show (%s)", plan.deployment, type(error).__name__)
    else:
        logger.error("deployment %s: the end of its container's log:\n%s", plan.deployment, log.rstrip())


def _find(client: MLClient, plan: Plan) -> OnlineDeployment | None:
    try:
        found: OnlineDeployment = client.online_deployments.get(plan.deployment, plan.endpoint)
    except ResourceNotFoundError:
        return None
    return found


def _state(client: MLClient, plan: Plan) -> str | None:
    deployment = _find(client, plan)
    return deployment.provisioning_state if deployment else None
