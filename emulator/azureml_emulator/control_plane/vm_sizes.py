"""VM sizes of the region, and their usage."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.context import context_of
from azureml_emulator.control_plane.long_running import LOCATIONS
from azureml_emulator.control_plane.quota import managed_deployments, reserved_cores
from azureml_emulator.store import Document

LIMIT = 10_000
"""Cores of each family without `--quota-cores`: deployments then have no limit."""


def _size(name: str, family: str, cores: int, memory: float, gpus: int = 0) -> dict[str, Any]:
    return {
        "name": name,
        "family": family,
        "vCPUs": cores,
        "gpus": gpus,
        "osVhdSizeMB": 1047552,
        "maxResourceVolumeMB": 28672,
        "memoryGB": memory,
        "lowPriorityCapable": True,
        "premiumIO": True,
        "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
    }


# Those that Azure's samples use and that hold the containers of ACI and AKS, without the retired ones, such as
# Standard_NC6s_v3:
# https://learn.microsoft.com/azure/virtual-machines/sizes/retirement/retired-sizes-list
VM_SIZES = (
    _size("Standard_DS1_v2", "standardDSv2Family", 1, 3.5),
    _size("Standard_DS2_v2", "standardDSv2Family", 2, 7),
    _size("Standard_DS3_v2", "standardDSv2Family", 4, 14),
    _size("Standard_DS4_v2", "standardDSv2Family", 8, 28),
    _size("Standard_DS5_v2", "standardDSv2Family", 16, 56),
    _size("Standard_DS11_v2", "standardDSv2Family", 2, 14),
    _size("Standard_DS12_v2", "standardDSv2Family", 4, 28),
    _size("Standard_D2s_v3", "standardDSv3Family", 2, 8),
    _size("Standard_D4s_v3", "standardDSv3Family", 4, 16),
    _size("Standard_D13_v2", "standardDv2Family", 8, 56),
    _size("Standard_E2s_v3", "standardESv3Family", 2, 16),
    _size("Standard_E4s_v3", "standardESv3Family", 4, 32),
    _size("Standard_E8s_v3", "standardESv3Family", 8, 64),
    _size("Standard_E16s_v3", "standardESv3Family", 16, 128),
    _size("Standard_E32s_v3", "standardESv3Family", 32, 256),
    _size("Standard_E64s_v3", "standardESv3Family", 64, 432),
    _size("Standard_F2s_v2", "standardFSv2Family", 2, 4),
    _size("Standard_F4s_v2", "standardFSv2Family", 4, 8),
    _size("Standard_F8s_v2", "standardFSv2Family", 8, 16),
    _size("Standard_F16s_v2", "standardFSv2Family", 16, 32),
    _size("Standard_F32s_v2", "standardFSv2Family", 32, 64),
    _size("Standard_NC4as_T4_v3", "standardNCASv3_T4Family", 4, 28, gpus=1),
    _size("Standard_NC8as_T4_v3", "standardNCASv3_T4Family", 8, 56, gpus=1),
    _size("Standard_NC16as_T4_v3", "standardNCASv3_T4Family", 16, 110, gpus=1),
    _size("Standard_NC64as_T4_v3", "standardNCASv3_T4Family", 64, 440, gpus=4),
)


async def list_sizes(_request: Request) -> Response:
    """List the VM sizes."""
    return JSONResponse({"value": list(VM_SIZES)})


async def list_usages(request: Request) -> Response:
    """List the cores of each family that computes and managed deployments use."""
    context = context_of(request)
    settings = context.settings
    used: dict[str, int] = {str(size["family"]): 0 for size in VM_SIZES}
    for compute in context.store.list_collection(f"{settings.workspace_id}/computes"):
        family, cores = _cores(compute["properties"])
        if family:
            used[family] += cores
    for deployment in managed_deployments(context.store):
        size = find_size(deployment["properties"].get("instanceType"))
        if size:
            used[str(size["family"])] += reserved_cores(deployment)[1]
    limit = LIMIT if settings.quota_cores is None else settings.quota_cores
    return JSONResponse(
        {
            "value": [
                {
                    "id": f"/subscriptions/{settings.subscription_id}/providers/Microsoft.MachineLearningServices"
                    f"/locations/{settings.location}/usages/{family}",
                    "type": "Microsoft.MachineLearningServices/usages",
                    "unit": "Count",
                    "currentValue": cores,
                    "limit": limit,
                    "name": {"value": family, "localizedValue": f"{family} Cluster Dedicated vCPUs"},
                    "amlWorkspaceLocation": settings.location,
                }
                for family, cores in used.items()
            ]
        }
    )


def find_size(name: object) -> dict[str, Any] | None:
    """Return a VM size by its name in any case; None if it is not listed."""
    return next((size for size in VM_SIZES if size["name"].lower() == str(name).lower()), None)


def _cores(compute: Document) -> tuple[str | None, int]:
    """Return a compute's VM family and its current cores."""
    size = find_size(compute["properties"].get("vmSize"))
    if size is None:
        return None, 0
    nodes = compute["properties"].get("currentNodeCount", int(compute["properties"].get("state") == "Running"))
    return size["family"], size["vCPUs"] * (nodes or 0)


routes = [Route(f"{LOCATIONS}/vmSizes", list_sizes), Route(f"{LOCATIONS}/usages", list_usages)]
