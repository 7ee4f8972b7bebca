"""Computes: those that are always there. Nothing runs on the cluster made here yet; see `kubernetes` for the other."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm import new_resource
from azureml_emulator.resources.listing import page
from azureml_emulator.resources.lookup import arm_path, get_resource
from azureml_emulator.services import services
from azureml_emulator.store import Store


def create_cluster(store: Store, compute_id: str, location: str) -> None:
    """Create a compute cluster.

    Args:
        store: Where to.
        compute_id: Its ARM id.
        location: Its Azure region.
    """
    store.put(
        new_resource(
            compute_id,
            {
                "computeType": "AmlCompute",
                "computeLocation": location,
                "provisioningState": "Succeeded",
                "properties": {
                    "vmSize": "Standard_DS3_v2",
                    "vmPriority": "Dedicated",
                    "osType": "Linux",
                    "isolatedNetwork": False,
                    "remoteLoginPortPublicAccess": "Disabled",
                    "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2, "nodeIdleTimeBeforeScaleDown": "PT2M"},
                    "allocationState": "Steady",
                    "currentNodeCount": 0,
                    "targetNodeCount": 0,
                    "nodeStateCounts": {},
                },
            },
            location=location,
            tags={},
        )
    )


async def list_computes(request: Request) -> Response:
    """List computes."""
    return page(request, services(request).store.list_collection(arm_path(request)))


async def get(request: Request) -> Response:
    """GET a compute."""
    return JSONResponse(get_resource(request, arm_path(request)))


routes = [Route("/computes", list_computes), Route("/computes/{name}", get)]
