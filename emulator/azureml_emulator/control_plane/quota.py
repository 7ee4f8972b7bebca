"""The core quota of managed deployments, by VM family."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Iterable

from azureml_emulator.arm.errors import ArmError, bad_request
from azureml_emulator.arm.resources import PROVIDER
from azureml_emulator.store import Document, Store

# In these older families the number in a size's name is not its cores.
NUMBERED_FAMILIES = ("d_v2", "ds_v2")
CORES_BY_NUMBER = {1: 1, 2: 2, 3: 4, 4: 8, 5: 16, 11: 2, 12: 4, 13: 8, 14: 16, 15: 20}
DEPLOYMENT_TYPE = f"{PROVIDER}/workspaces/onlineEndpoints/deployments"
GUIDE = "Please see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-outofquota"


def check_quota(deployment: Document, others: Iterable[Document], cores: int, subscription_id: str) -> None:
    """Refuse a deployment that needs more cores of its family than are left.

    For upgrades the service reserves a fifth more: ceil(1.2 * instances) times the size's cores. The error is the one
    that users got (MicrosoftLearning/mslearn-azure-ml#30, Azure/mlops-v2#124): code BadRequest, and the word quota
    only in the nested error's message.

    Args:
        deployment: The deployment to create or update.
        others: All managed deployments; one with the same id does not count.
        cores: The quota of each family.
        subscription_id: The subscription, for the error.

    Raises:
        ArmError: 400, if there is not enough.
    """
    family, needed = reserved_cores(deployment)
    reserved = [reserved_cores(other) for other in others if other["id"].lower() != deployment["id"].lower()]
    used = sum(count for other_family, count in reserved if other_family == family)
    if used + needed <= cores:
        return
    size = deployment["properties"]["instanceType"]
    problem = (
        f"Not enough quota available for {size} in SubscriptionId {subscription_id}. "
        f"Current usage/limit: {used}/{cores}. Additional needed: {needed} {GUIDE}"
    )
    detail = {
        "errors": {"VmSize": [problem]},
        "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
        "title": "One or more validation errors occurred.",
        "status": 400,
        "traceId": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-00",
    }
    below = ArmError(
        400,
        "InferencingClientCreateDeploymentFailed",
        f"InferencingClient HttpRequest error, error detail: {json.dumps(detail, separators=(',', ':'))}",
    )
    raise ArmError(400, "BadRequest", "The request is invalid.", details=[below])


def managed_deployments(store: Store) -> list[Document]:
    """Return all deployments to managed endpoints."""
    deployments = store.list_type(DEPLOYMENT_TYPE)
    return [one for one in deployments if one["properties"]["endpointComputeType"] == "Managed"]


def reserved_cores(deployment: Document) -> tuple[str, int]:
    """Return a deployment's VM family, such as `ds_v2`, and its cores of the quota.

    Raises:
        ArmError: 400, if its size or number of instances is invalid.
    """
    size = deployment["properties"]["instanceType"]
    found = re.fullmatch(r"standard_([a-z]+)(\d+)([a-z]*)((?:_[a-z0-9]+)*)", str(size).lower())
    if found is None:
        raise bad_request(f"{size!r} is not a VM size such as Standard_DS3_v2.")
    family = f"{found[1]}{found[3]}{found[4]}"
    number = int(found[2])
    cores = CORES_BY_NUMBER.get(number, number) if family in NUMBERED_FAMILIES else number
    instances = deployment["sku"].get("capacity")
    if not isinstance(instances, int) or instances < 1:
        raise bad_request(f"The capacity of a deployment's sku must be a number of instances, not {instances!r}.")
    return family, math.ceil(1.2 * instances) * cores
