"""Check names, rollout settings and the endpoint that a run deploys to."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ResourceNotFoundError

from kfp_azureml.azureml.azure_errors import explain
from kfp_azureml.azureml.checks.hosts import check_host
from kfp_azureml.azureml.checks.machines import list_deployments
from kfp_azureml.azureml.checks.run_settings import RunSettings
from kfp_azureml.azureml.checks.workspace import API_VERSION, Workspace
from kfp_azureml.azureml.names import ENDPOINT, MODEL, check_name, derived_endpoint_name
from kfp_azureml.azureml.rollout.strategy import Limits, Strategy
from kfp_azureml.runtime.checks import Outcome, failed, passed, skipped

MOST_DEPLOYMENTS = 20
"""Largest number of deployments per endpoint: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas"""


@dataclass(frozen=True)
class Found:
    """The endpoint, if it exists.

    Attributes:
        scoring_host: Host of its scoring URI; empty if there is none yet.
        instances: Number of instances of the deployment with most traffic; 0 if there is none.
    """

    scoring_host: str = ""
    instances: int = 0


def check_model_name(name: str) -> Outcome:
    """Check the model's name."""
    if not name:
        return skipped("no model_name is set")
    check_name(MODEL, name, "model_name")
    return passed(f"{name} is a valid name")


def check_endpoint_name(name: str) -> Outcome:
    """Check the endpoint's name."""
    if not name:
        return passed("derived from model and workspace")
    check_name(ENDPOINT, name, "endpoint_name")
    return passed(f"{name} is a valid name")


def check_rollout(settings: RunSettings) -> Outcome:
    """Check strategy and traffic steps."""
    if not settings.strategy:
        return skipped("no strategy is set")
    if settings.strategy == "mirror" and settings.compute:
        return failed(
            "strategy mirror needs a managed endpoint: Azure ML does not mirror traffic on Kubernetes",
            "--param strategy=canary, or leave compute empty",
        )
    Strategy(settings.strategy, settings.traffic_steps, 10, 0, True, Limits(0.0, 1.0, 0.0))
    return passed(f"strategy {settings.strategy}")


def check_endpoint(workspace: Workspace, settings: RunSettings) -> Outcome:
    """Check that the endpoint does not exist, or is one that can get a new deployment."""
    if not (settings.endpoint_name or settings.model_name):
        return skipped("no endpoint_name and no model_name are set")
    name = settings.endpoint_name or derived_endpoint_name(settings.model_name, workspace.place.id)
    online, batch = (f"{workspace.place.id}/{kind}/{name}" for kind in ("onlineEndpoints", "batchEndpoints"))
    try:
        endpoint = _find(workspace, online)
        if endpoint is None:
            if _find(workspace, batch):
                return failed(f"a batch endpoint has the name {name}", "--param endpoint_name=ANOTHER-NAME")
            return passed(f"{name} does not exist in this workspace yet; in another one of the region it may", Found())
        if fault := _wrong_kind(name, endpoint, settings.compute):
            return fault
        deployments = list_deployments(workspace.arm, online)
    except AzureError as error:
        raise explain(error, f"endpoint {name}") from error
    if len(deployments) >= MOST_DEPLOYMENTS:
        unused = [one["name"] for one in deployments if not _traffic(endpoint).get(one["name"])]
        return failed(
            f"endpoint {name} has {len(deployments)} deployments, and Azure ML allows {MOST_DEPLOYMENTS}",
            f"az ml online-deployment delete --name {quote((unused or ['NAME'])[0])} --endpoint-name {quote(name)} "
            f"{workspace.place.options}",
        )
    return passed(f"{name} exists and can get a deployment", _found(endpoint, deployments))


def check_scoring_host(found: Found | None) -> Outcome:
    """Check that the endpoint's host can be reached."""
    if found is None or not found.scoring_host:
        return skipped("the endpoint has no address yet")
    return check_host(found.scoring_host)


def _find(workspace: Workspace, path: str) -> dict[str, Any] | None:
    try:
        return workspace.arm.get(path, **{"api-version": API_VERSION})
    except ResourceNotFoundError:
        return None


def _wrong_kind(name: str, endpoint: dict[str, Any], wanted: str) -> Outcome | None:
    there = str(endpoint["properties"].get("compute") or "").rpartition("/")[2]
    if there.lower() == wanted.lower():
        return None
    if there:
        return failed(
            f"endpoint {name} exists on compute {there}",
            f"--param endpoint_name=ANOTHER-NAME, or --param compute={quote(there)}",
        )
    return failed(
        f"endpoint {name} exists as a managed endpoint", "--param endpoint_name=ANOTHER-NAME, or leave compute empty"
    )


def _found(endpoint: dict[str, Any], deployments: list[dict[str, Any]]) -> Found:
    traffic = _traffic(endpoint)
    live = max(deployments, key=lambda one: traffic.get(one["name"], 0), default=None)
    instances = int((live.get("sku") or {}).get("capacity") or 0) if live and traffic.get(live["name"]) else 0
    return Found(urlsplit(endpoint["properties"].get("scoringUri") or "").hostname or "", instances)


def _traffic(endpoint: dict[str, Any]) -> dict[str, int]:
    traffic: dict[str, int] = endpoint["properties"].get("traffic") or {}
    return traffic
