"""Datastores: where the workspace's data lies."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm import new_resource
from azureml_emulator.resources.lookup import arm_path, get_resource, parent
from azureml_emulator.services import services
from azureml_emulator.store import Store


def create(store: Store, datastore_id: str, account: str, container: str) -> None:
    """Create the workspace's default blob datastore.

    Args:
        store: Where to.
        datastore_id: Its ARM id.
        account: The storage account's name.
        container: The blob container's name.
    """
    store.put(
        new_resource(
            datastore_id,
            {
                "datastoreType": "AzureBlob",
                "accountName": account,
                "containerName": container,
                "endpoint": "core.windows.net",
                "protocol": "https",
                "isDefault": True,
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
