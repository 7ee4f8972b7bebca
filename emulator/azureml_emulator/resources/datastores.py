"""Datastores: where the workspace's data lies."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm import new_resource
from azureml_emulator.blobs import BLOB_STORE, DATASTORES
from azureml_emulator.resources.lookup import arm_path, get_resource, parent
from azureml_emulator.services import services
from azureml_emulator.store import Store


def create(store: Store, datastore_id: str, account: str) -> None:
    """Create one of the workspace's own datastores.

    Args:
        store: Where to.
        datastore_id: Its ARM id; its name is one of `DATASTORES`.
        account: The storage account's name.
    """
    name = datastore_id.rsplit("/", 1)[-1]
    store.put(
        new_resource(
            datastore_id,
            {
                "datastoreType": "AzureBlob",
                "accountName": account,
                "containerName": DATASTORES[name],
                "endpoint": "core.windows.net",
                "protocol": "https",
                "isDefault": name == BLOB_STORE,
                "description": None,
                "tags": {},
                "properties": {},
                "serviceDataAccessAuthIdentity": "None",
                "credentials": {"credentialsType": "Sas"},
            },
        )
    )


async def list_datastores(request: Request) -> Response:
    """List datastores, or the default one only."""
    found = services(request).store.list_collection(arm_path(request))
    if request.query_params.get("isDefault", "").lower() == "true":
        found = [datastore for datastore in found if datastore["properties"]["isDefault"]]
    return JSONResponse({"value": found})


async def list_secrets(request: Request) -> Response:
    """Hand out a signature for the datastore's container."""
    parts = services(request)
    datastore = get_resource(request, parent(arm_path(request)))
    signature = parts.blobs.sign(datastore["properties"]["containerName"])
    return JSONResponse({"secretsType": "Sas", "sasToken": signature})


async def get(request: Request) -> Response:
    """GET a datastore."""
    return JSONResponse(get_resource(request, arm_path(request)))


routes = [
    Route("/datastores", list_datastores),
    Route("/datastores/{name}", get),
    Route("/datastores/{name}/listSecrets", list_secrets, methods=["POST"]),
]
