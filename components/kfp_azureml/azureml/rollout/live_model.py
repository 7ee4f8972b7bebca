"""Which registered model version an endpoint serves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kfp_azureml.azureml.azure_errors import azure_errors
from kfp_azureml.azureml.names import ENDPOINT, MODEL, check_name, derived_endpoint_name
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.azureml.rollout.deployment import live_deployment
from kfp_azureml.azureml.rollout.endpoint import find_endpoint
from kfp_azureml.azureml.workspace import workspace_id
from kfp_azureml.models.live_model import NONE_LIVE
from kfp_azureml.runtime.errors import DeploymentError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_VERSION = re.compile(r"(?P<workspace>/.+/workspaces/[^/]+)/models/(?P<name>[^/]+)/versions/(?P<version>[^/]+)")


def find_live_model(client: MLClient, endpoint_name: str, model_name: str) -> str:
    """Return the model of the deployment with the largest share of an endpoint's traffic.

    Args:
        client: A client of the workspace.
        endpoint_name: The endpoint, which need not exist; empty derives it from model and workspace.
        model_name: Name that models are registered under.

    Returns:
        The model version's Azure resource id, or another reference if the deployment names a model of another kind;
        `NONE_LIVE` if the endpoint does not exist or has no traffic.

    Raises:
        DeploymentError: If no endpoint is named, or endpoint or deployment cannot be read.
        InvalidNameError: If a name is invalid.
    """
    if endpoint_name:
        check_name(ENDPOINT, endpoint_name, "endpoint_name")
    elif model_name:
        check_name(MODEL, model_name, "model_name")
        endpoint_name = derived_endpoint_name(model_name, workspace_id(client))
    else:
        raise DeploymentError("no endpoint is named: set endpoint_name, or model_name to derive it from")
    what = f"reading endpoint {endpoint_name}"
    with azure_errors(what, DeploymentError):
        endpoint = retrying(what, lambda: find_endpoint(client, endpoint_name))
    deployment = live_deployment(client, endpoint, other_than="") if endpoint else None
    if deployment is None:
        return NONE_LIVE
    return str(deployment.model or f"deployment {deployment.name} without a model")


def registered_version(model_id: str, workspace_id: str) -> tuple[str, str] | None:
    """Return name and version of a model that is registered in a workspace; None if the model is not.

    Args:
        model_id: The model's Azure resource id, or another reference.
        workspace_id: The workspace's Azure resource id, in any case.
    """
    found = _VERSION.fullmatch(model_id)
    if not found or found["workspace"].lower() != workspace_id.lower():
        return None
    return found["name"], found["version"]
