"""Autoscale settings of Azure Monitor.

They belong to one deployment: a new one gets them before it gets traffic.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, HttpResponseError

from kfp_azureml.azureml.azure_errors import error_codes, explain, service_words
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.azureml.rollout.scaling import Scaling
from kfp_azureml.runtime.errors import DeploymentError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from azure.ai.ml.entities import OnlineDeployment, OnlineEndpoint

    from kfp_azureml.azureml.arm import Arm

API_VERSION = "2022-10-01"
READ_PERMISSION = "Microsoft.Insights/autoscaleSettings/read, included in the role 'Monitoring Reader'"
# Not in the roles 'Monitoring Contributor' and 'AzureML Data Scientist':
# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/monitor
WRITE_PERMISSION = "Microsoft.Insights/autoscaleSettings/write, included in the role 'Contributor'"

logger = logging.getLogger(__name__)


def set_autoscale(arm: Arm, endpoint: OnlineEndpoint, deployment: OnlineDeployment, scaling: Scaling) -> None:
    """Scale a deployment with its CPU utilization, unless it already scales like this.

    Args:
        arm: Azure Resource Manager client.
        endpoint: The deployment's endpoint.
        deployment: The deployment.
        scaling: How it scales.

    Raises:
        DeploymentError: If the settings cannot be read or written.
    """
    what = f"setting autoscale of deployment {deployment.name}"
    wanted = _scaled_by_cpu(str(endpoint.location), str(deployment.id), scaling)
    try:
        found = retrying(what, lambda: settings_of(arm, str(deployment.id)))
        if found and _has(found[0], wanted):
            return
        path = found[0]["id"] if found else f"{_collection(str(deployment.id))}/{_name(str(endpoint.name), deployment)}"
        retrying(what, lambda: arm.put(path, wanted, **{"api-version": API_VERSION}))
    except HttpResponseError as error:
        if error.status_code != 403:
            raise explain(error, what, DeploymentError) from error
        raise DeploymentError(
            f"{what}: the identity lacks the permission {WRITE_PERMISSION}: grant it, or leave autoscale out "
            f"({service_words(error)})"
        ) from error
    except AzureError as error:
        raise explain(error, what, DeploymentError) from error
    progress(
        f"deployment {deployment.name}: scales between {scaling.min_instances} and {scaling.max_instances} instances "
        f"at {scaling.target_utilization_percentage} % CPU"
    )


def copy_autoscale(arm: Arm, endpoint_name: str, live: OnlineDeployment, new: OnlineDeployment) -> None:
    """Copy the autoscale settings of the live deployment to a new one, unless the new one has its own.

    Without the permission to read or write them, log a warning and continue.

    Args:
        arm: Azure Resource Manager client.
        endpoint_name: The endpoint of both deployments.
        live: The deployment that has the traffic.
        new: The deployment that will get the traffic.

    Raises:
        DeploymentError: If they cannot be read or written for another reason.
    """
    what = f"reading the autoscale settings of deployments {live.name} and {new.name}"
    try:
        settings = retrying(what, lambda: settings_of(arm, str(live.id)))
        if not settings or retrying(what, lambda: settings_of(arm, str(new.id))):
            return
    except HttpResponseError as error:
        if "MissingSubscriptionRegistration" in error_codes(error):
            return  # the subscription has never used Azure Monitor, so it has no such settings
        if error.status_code != 403:
            raise explain(error, what, DeploymentError) from error
        logger.warning("%s", _not_copied(live, new, "read", READ_PERMISSION, error))
        return
    except AzureError as error:
        raise explain(error, what, DeploymentError) from error
    copy = _of_other(settings[0], live, new)
    path = f"{_collection(str(new.id))}/{_name(endpoint_name, new)}"
    what = f"copying the autoscale settings of {live.name} to {new.name}"
    try:
        retrying(what, lambda: arm.put(path, copy, **{"api-version": API_VERSION}))
    except AzureError as error:
        if not isinstance(error, HttpResponseError) or error.status_code != 403:
            raise explain(error, what, DeploymentError) from error
        logger.warning("%s", _not_copied(live, new, "written", WRITE_PERMISSION, error))
        return
    progress(f"deployment {new.name}: autoscale settings copied from {live.name}")


def _not_copied(
    live: OnlineDeployment, new: OnlineDeployment, done: str, permission: str, error: HttpResponseError
) -> str:
    return (
        f"deployment {new.name}: autoscale settings of {live.name} not copied, they cannot be {done}: the identity "
        f"lacks the permission {permission} ({service_words(error)})"
    )


def settings_of(arm: Arm, deployment_id: str) -> list[dict[str, Any]]:
    """Return the autoscale settings of a deployment, of which Azure allows one.

    Raises:
        AzureError: If they cannot be read.
    """
    found = arm.pages(_collection(deployment_id), **{"api-version": API_VERSION})
    return [one for one in found if one["properties"].get("targetResourceUri", "").lower() == deployment_id.lower()]


def delete_autoscale(arm: Arm, deployment_id: str) -> None:
    """Delete the autoscale settings of a deleted deployment; log a warning if that fails."""

    def delete() -> None:
        for one in settings_of(arm, deployment_id):
            arm.delete(one["id"], **{"api-version": API_VERSION})

    try:
        retrying(f"deleting the autoscale settings of {deployment_id}", delete)
    except AzureError as error:
        logger.warning("%s", explain(error, f"deleting the autoscale settings of {deployment_id}"))


def _collection(resource_id: str) -> str:
    group = resource_id.lower().index("/providers/")
    return f"{resource_id[:group]}/providers/Microsoft.Insights/autoscalesettings"


def _name(endpoint_name: str, deployment: OnlineDeployment) -> str:
    return f"autoscale-{endpoint_name}-{deployment.name}"


def _scaled_by_cpu(location: str, deployment_id: str, scaling: Scaling) -> dict[str, Any]:
    """Return settings that add an instance above the target utilization, and remove one below half of it."""
    target = scaling.target_utilization_percentage
    capacity = {
        "minimum": str(scaling.min_instances),
        "maximum": str(scaling.max_instances),
        "default": str(scaling.min_instances),
    }
    rules = [
        _rule(deployment_id, "GreaterThan", target, "Increase"),
        _rule(deployment_id, "LessThan", target // 2, "Decrease"),
    ]
    return {
        "location": location,
        "properties": {
            "enabled": True,
            "targetResourceUri": deployment_id,
            "profiles": [{"name": "kfp-azureml", "capacity": capacity, "rules": rules}],
        },
    }


def _rule(deployment_id: str, operator: str, threshold: int, direction: str) -> dict[str, Any]:
    return {
        "metricTrigger": {
            "metricName": "CpuUtilizationPercentage",
            "metricResourceUri": deployment_id,
            "timeGrain": "PT1M",
            "statistic": "Average",
            "timeWindow": "PT5M",
            "timeAggregation": "Average",
            "operator": operator,
            "threshold": threshold,
        },
        "scaleAction": {"direction": direction, "type": "ChangeCount", "value": "1", "cooldown": "PT5M"},
    }


def _has(found: Any, wanted: Any) -> bool:
    """Return whether a document has all of another; Azure adds fields, and has a case of its own."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_has(found.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(_has, found, wanted))
    if isinstance(wanted, str):
        return str(found).replace(" ", "").lower() == wanted.replace(" ", "").lower()
    return bool(found == wanted)


def _of_other(settings: dict[str, Any], live: OnlineDeployment, new: OnlineDeployment) -> dict[str, Any]:
    properties = _renamed(settings["properties"], live, new)
    properties.pop("name", None)
    return {"location": settings["location"], "tags": settings.get("tags") or {}, "properties": properties}


def _renamed(value: Any, live: OnlineDeployment, new: OnlineDeployment) -> Any:
    """Replace the live deployment by the new one, as an id or a metric's dimension."""
    if isinstance(value, list):
        return [_renamed(item, live, new) for item in value]
    if isinstance(value, dict):
        if str(value.get("DimensionName", "")).lower() == "deployment":
            values = [new.name if item == live.name else item for item in value.get("Values", [])]
            return {**value, "Values": values}
        return {name: _renamed(item, live, new) for name, item in value.items()}
    return str(new.id) if isinstance(value, str) and value.lower() == str(live.id).lower() else value
