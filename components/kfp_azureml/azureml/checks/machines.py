"""Check the machines of a deployment: VM size, quota, attached compute."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from shlex import quote
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from kfp_azureml.azureml.arm import Arm
from kfp_azureml.azureml.azure_errors import explain
from kfp_azureml.azureml.checks.workspace import API_VERSION, Workspace
from kfp_azureml.runtime.checks import Outcome, failed, passed, skipped

UPGRADE_RESERVE = 1.2
"""Instances times this, rounded up, count against the quota: Azure ML reserves the rest for upgrades."""
# https://learn.microsoft.com/azure/virtual-machines/sizes/retirement/retired-sizes-list
_RETIRED = re.compile(r"standard_(nc\d+r?(_promo)?|nc\d+r?s_v[23]|nd\d+r?s|nv\d+(_promo)?)", re.IGNORECASE)
_DEFAULT_OPTION = "--param instance_type=Standard_DS3_v2"


@dataclass(frozen=True)
class VmSize:
    """A VM size of the region.

    Attributes:
        name: The name.
        family: Its family, by which quota is counted.
        cores: Number of cores.
    """

    name: str
    family: str
    cores: int


def check_vm_size(workspace: Workspace, wanted: str) -> Outcome:
    """Check that the workspace's region has a VM size; the outcome has it."""
    try:
        answer = workspace.arm.get(f"{workspace.location_id}/vmSizes", **{"api-version": API_VERSION})
    except AzureError as error:
        return _unread(error, "the VM sizes of the region", workspace)
    sizes = {str(size["name"]).lower(): size for size in answer.get("value", [])}
    if found := sizes.get(wanted.lower()):
        size = VmSize(str(found["name"]), str(found["family"]), int(found["vCPUs"]))
        return passed(f"{size.name} is available in {workspace.location}", size)
    why = "Azure has retired it" if _RETIRED.fullmatch(wanted) else "the region does not have it"
    return failed(
        f"instance_type {wanted} is not available in {workspace.location}: {why}",
        f"{_DEFAULT_OPTION} (all sizes: az ml compute list-sizes --location {quote(workspace.location)} "
        f"{workspace.place.options})",
    )


def check_quota(workspace: Workspace, size: VmSize | None, instances: int) -> Outcome:
    """Check that the region's quota has enough cores for new instances and their upgrades."""
    if size is None:
        return skipped("not checked: the cores of the VM size are unknown")
    try:
        usages = list(workspace.arm.pages(f"{workspace.location_id}/usages", **{"api-version": API_VERSION}))
    except AzureError as error:
        return _unread(error, "the quota of the region", workspace)
    usage = next((usage for usage in usages if _is_of(usage, size.family)), None)
    if usage is None:
        return skipped(f"not checked: {workspace.location} lists no quota of {size.family}")
    needed = math.ceil(UPGRADE_RESERVE * instances) * size.cores
    used, limit = int(usage["currentValue"]), int(usage["limit"])
    cores = f"{used} of {limit} cores of {size.family} in use in {workspace.location}"
    if limit < 0 or used + needed <= limit:
        return passed(f"{cores}; the deployment needs {needed}")
    return failed(
        f"quota too small for {instances} x {size.name}: it needs {needed} cores, with those for upgrades; {cores}",
        f"az quota create --resource-name {quote(size.family)} --scope {quote(workspace.location_id)} "
        f"--limit-object value={used + needed} --resource-type dedicated (or set a smaller instance_type)",
    )


def check_compute(workspace: Workspace, name: str) -> Outcome:
    """Check that the compute of an endpoint is an attached Kubernetes cluster that can be used."""
    what = f"compute {name}"
    listing = f"az ml compute list {workspace.place.options} --type Kubernetes"
    try:
        document = workspace.arm.get(f"{workspace.place.id}/computes/{name}", **{"api-version": API_VERSION})
    except ResourceNotFoundError:
        return failed(f"{what} does not exist in the workspace", f"{listing} (attach one: az ml compute attach)")
    except AzureError as error:
        raise explain(error, what) from error
    properties = document["properties"]
    kind, state = str(properties.get("computeType")), str(properties.get("provisioningState"))
    if kind.lower() != "kubernetes":
        return failed(f"{what} is of type {kind}: an endpoint runs on an attached Kubernetes cluster only", listing)
    if state != "Succeeded":
        return failed(
            f"{what} cannot be used: its state is {state}",
            f"az ml compute show --name {quote(name)} {workspace.place.options}",
        )
    return passed(f"{what} is an attached Kubernetes cluster")


def list_deployments(arm: Arm, endpoint_id: str) -> list[dict[str, Any]]:
    """Return the deployments of an endpoint.

    Raises:
        AzureError: If Azure rejects the request.
    """
    return list(arm.pages(f"{endpoint_id}/deployments", **{"api-version": API_VERSION}))


def _is_of(usage: dict[str, Any], family: str) -> bool:
    """Tell whether a usage counts a family's dedicated cores, by its key or its display name."""
    name = usage.get("name") or {}
    texts = [re.sub(r"\s+", "", str(name.get(key, ""))).lower() for key in ("value", "localizedValue")]
    dedicated = not any("lowpriority" in text for text in texts)
    return dedicated and (
        texts[0] == family.lower() or any(text.startswith(f"{family.lower()}cluster") for text in texts)
    )


def _unread(error: AzureError, what: str, workspace: Workspace) -> Outcome:
    if isinstance(error, HttpResponseError) and error.status_code == 403:
        scope = f"/subscriptions/{workspace.place.subscription_id}"
        return skipped(
            f"not checked: the identity may not read {what}",
            f'az role assignment create --assignee IDENTITY --role "Reader" --scope {scope}',
        )
    raise explain(error, f"reading {what}") from error
