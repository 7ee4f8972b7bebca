"""The workspace itself."""

from __future__ import annotations

import uuid

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from azureml_emulator.arm import new_resource
from azureml_emulator.blobs import DATASTORES
from azureml_emulator.resources import computes, datastores, kubernetes
from azureml_emulator.services import services
from azureml_emulator.settings import Settings
from azureml_emulator.store import Store


def create(store: Store, settings: Settings, storage_account: str) -> None:
    """Create the workspace with what every new workspace has, unless it is there.

    Args:
        store: Where to.
        settings: Its names.
        storage_account: Name of its storage account.
    """
    if store.get(settings.workspace_id):
        return
    group = settings.workspace_id.split("/providers/")[0]
    store.put(
        new_resource(
            settings.workspace_id,
            {
                "friendlyName": settings.workspace,
                "workspaceId": str(uuid.uuid4()),
                "provisioningState": "Succeeded",
                "storageAccount": f"{group}/providers/Microsoft.Storage/storageAccounts/{storage_account}",
                "discoveryUrl": f"https://{settings.location}.api.azureml.ms/discovery",
                "mlFlowTrackingUri": f"azureml://{settings.location}.api.azureml.ms/mlflow/v1.0{settings.workspace_id}",
                "publicNetworkAccess": "Enabled",
                "hbiWorkspace": False,
                "v1LegacyMode": False,
            },
            location=settings.location,
            tags={},
            kind="Default",
            sku={"name": "Basic", "tier": "Basic"},
            identity={
                "type": "SystemAssigned",
                "principalId": str(uuid.uuid4()),
                "tenantId": settings.tenant_id,
            },
        )
    )
    for name in DATASTORES:
        datastores.create(store, f"{settings.workspace_id}/datastores/{name}", storage_account)
    computes.create_cluster(store, f"{settings.workspace_id}/computes/cpu-cluster", settings.location)
    kubernetes.attach_cluster(store, f"{settings.workspace_id}/computes/k8s", settings.location)


async def get(request: Request) -> Response:
    """GET the workspace."""
    parts = services(request)
    return JSONResponse(parts.store.get(parts.settings.workspace_id))
