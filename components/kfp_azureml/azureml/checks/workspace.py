"""Check the workspace: its name is known, it exists and is usable, and what its images are built with."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, HttpResponseError

from kfp_azureml.azureml.arm import Arm
from kfp_azureml.azureml.azure_errors import explain
from kfp_azureml.azureml.workspace import workspace_place
from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.runtime.checks import Outcome, failed, passed, warning

API_VERSION = "2024-10-01"
PROVIDER = "Microsoft.MachineLearningServices"
_REGISTRY_API_VERSION = "2023-07-01"
DATA_SCIENTIST = "AzureML Data Scientist"
_READY = "Succeeded"


@dataclass(frozen=True)
class Place:
    """Where a workspace is.

    Attributes:
        subscription_id: Its subscription.
        resource_group: Its resource group.
        workspace: Its name.
    """

    subscription_id: str
    resource_group: str
    workspace: str

    @property
    def id(self) -> str:
        """The workspace's Azure resource id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/{PROVIDER}/workspaces/{self.workspace}"
        )

    @property
    def options(self) -> str:
        """Options of `az ml` that select it."""
        return f"--workspace-name {quote(self.workspace)} --resource-group {quote(self.resource_group)}"


@dataclass(frozen=True)
class Workspace:
    """A workspace that responded.

    Attributes:
        arm: A client of Azure Resource Manager.
        place: Where it is.
        document: What Azure Resource Manager returned.
    """

    arm: Arm
    place: Place
    document: dict[str, Any]

    @property
    def properties(self) -> dict[str, Any]:
        """Its properties."""
        properties: dict[str, Any] = self.document.get("properties") or {}
        return properties

    @property
    def location(self) -> str:
        """Its Azure region."""
        return str(self.document.get("location", ""))

    @property
    def location_id(self) -> str:
        """Path of its region's resources."""
        return f"/subscriptions/{self.place.subscription_id}/providers/{PROVIDER}/locations/{self.location}"


def check_place(name: WorkspaceName) -> Outcome:
    """Check that subscription, resource group and workspace are given or configured."""
    place = Place(*workspace_place(*name))
    return passed(f"workspace {place.workspace} in resource group {place.resource_group}", place)


def check_workspace(arm: Arm, place: Place, who: str) -> Outcome:
    """Check that the workspace exists and is provisioned."""
    what = f"workspace {place.workspace} in resource group {place.resource_group}"
    show = f"az ml workspace show --name {quote(place.workspace)} --resource-group {quote(place.resource_group)}"
    try:
        document = arm.get(place.id, **{"api-version": API_VERSION})
    except AzureError as error:
        denied = isinstance(error, HttpResponseError) and error.status_code == 403
        mend = role_command(who, DATA_SCIENTIST, place.id) if denied else f"{show} (lists: az ml workspace list)"
        return failed(str(explain(error, what)), mend)
    state = (document.get("properties") or {}).get("provisioningState", _READY)
    if state != _READY:
        return failed(f"{what} is not usable: its state is {state}", f"{show} --query provisioning_state")
    return passed(f"{what} exists, in {document.get('location')}", Workspace(arm, place, document))


def check_registry(workspace: Workspace) -> Outcome:
    """Check the workspace's container registry, with which it builds and keeps the images of environments."""
    registry = workspace.properties.get("containerRegistry")
    if not registry:
        return passed("the workspace has no container registry yet: Azure ML creates it with the first image")
    name = str(registry).rpartition("/")[2]
    update = f"az ml workspace update --name {quote(workspace.place.workspace)} --resource-group " + quote(
        workspace.place.resource_group
    )
    try:
        document = workspace.arm.get(str(registry), **{"api-version": _REGISTRY_API_VERSION})
    except HttpResponseError as error:
        if error.status_code == 404:
            return failed(
                f"container registry {name} of the workspace does not exist: no image of an environment can be built",
                f"{update} --container-registry REGISTRY_ID --update-dependent-resources",
            )
        if error.status_code == 403:
            return passed(f"container registry {name}; not checked, since the identity may not read it")
        raise explain(error, f"container registry {name}") from error
    except AzureError as error:
        raise explain(error, f"container registry {name}") from error
    properties = document.get("properties") or {}
    if properties.get("publicNetworkAccess") == "Disabled" and not workspace.properties.get("imageBuildCompute"):
        return warning(
            f"container registry {name} is private, and the workspace has no compute to build images in its network",
            f"{update} --image-build-compute COMPUTE",
        )
    return passed(f"container registry {name} exists")


def api_host(workspace: Workspace) -> str:
    """Return the host of the workspace's data plane, for MLflow, run history and artifacts."""
    address = str(workspace.properties.get("discoveryUrl") or "")
    return urlsplit(address).hostname or f"{workspace.location}.api.azureml.ms"


def role_command(who: str, role: str, scope: str) -> str:
    """Return the command that assigns a role."""
    return f'az role assignment create --assignee {who} --role "{role}" --scope {quote(scope)}'
