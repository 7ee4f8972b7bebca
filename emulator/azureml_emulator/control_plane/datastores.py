"""Datastores: locations of the workspace's data, with their credentials."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.arm.errors import bad_request, conflict, not_emulated
from azureml_emulator.arm.resources import new_resource, object_in, text_in
from azureml_emulator.context import context_of
from azureml_emulator.control_plane.http import created, read_body, read_resource
from azureml_emulator.control_plane.listing import page
from azureml_emulator.control_plane.lookup import arm_path, check_name, get_resource, parent
from azureml_emulator.settings import Settings
from azureml_emulator.storage.blobs import BLOB_STORE, DATASTORES, Blobs
from azureml_emulator.store import Document, Store

NAME_PATTERN = r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}"
NAME_RULE = "it begins with a letter or digit, and has letters, digits, '_' and '-', at most 255"
PAGE_SIZE = 30
"""As in the contract."""
FILE_SHARES = {"workspacefilestore": "azureml-filestore", "workspaceworkingdirectory": "code-391ff5ac"}
ORDERS: dict[str, Callable[[Document], str]] = {
    "createdtime": lambda datastore: datastore["systemData"]["createdAt"],
    "modifiedtime": lambda datastore: datastore["systemData"]["lastModifiedAt"],
    "name": lambda datastore: datastore["name"],
}
# The required properties of each kind, besides its credentials.
KINDS = {
    "AzureBlob": ("accountName", "containerName"),
    "AzureFile": ("accountName", "fileShareName"),
    "AzureDataLakeGen2": ("accountName", "filesystem"),
    "AzureDataLakeGen1": ("storeName",),
}
# The required properties of each kind of credentials, and the secret that only listSecrets returns.
CREDENTIALS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "None": ((), None),
    "AccountKey": ((), "key"),
    "Sas": ((), "sasToken"),
    "ServicePrincipal": (("clientId", "tenantId"), "clientSecret"),
    "Certificate": (("clientId", "tenantId", "thumbprint"), "certificate"),
}

IDENTITIES = ("ServicePrincipal", "Certificate")
LOGIN_URL = "https://login.microsoftonline.com"
STORAGE_URL = "https://storage.azure.com/"
RESOURCE_URLS = {"AzureDataLakeGen1": "https://datalake.azure.net/"}


def create(store: Store, settings: Settings, account: str) -> None:
    """Create the datastores that every workspace has."""
    credentials = {"credentialsType": "None" if settings.keyless_storage else "AccountKey"}
    common = {
        "accountName": account,
        "endpoint": "core.windows.net",
        "protocol": "https",
        "credentials": credentials,
        "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity",
    }
    kinds: list[tuple[str, Document]] = [
        *((name, {"datastoreType": "AzureBlob", "containerName": place}) for name, place in DATASTORES.items()),
        *((name, {"datastoreType": "AzureFile", "fileShareName": place}) for name, place in FILE_SHARES.items()),
    ]
    for name, properties in kinds:
        completed = _completed({**properties, **common}, settings) | {"isDefault": name == BLOB_STORE, "tags": None}
        store.put(new_resource(f"{settings.workspace_id}/datastores/{name}", completed))


async def create_containers(blobs: Blobs) -> None:
    """Create the containers behind the workspace's own blob datastores if missing."""
    for container in DATASTORES.values():
        await blobs.create_container(container)


def find_container(store: Store, datastore_id: str, account: str) -> str | None:
    """Return a datastore's blob container in the account; None if it has none there."""
    datastore = store.get(datastore_id)
    if datastore is None or not _is_in(account, datastore["properties"]):
        return None
    return str(datastore["properties"]["containerName"])


async def list_datastores(request: Request) -> Response:
    """List datastores: the default one, by name, or by part of the name; ordered."""
    query = request.query_params
    found = context_of(request).store.list_collection(arm_path(request))
    if query.get("isDefault", "").lower() == "true":
        found = [datastore for datastore in found if datastore["properties"]["isDefault"]]
    if names := [name for value in query.getlist("names") for name in value.split(",")]:
        found = [datastore for datastore in found if datastore["name"] in names]
    if text := query.get("searchText", "").lower():
        found = [datastore for datastore in found if text in datastore["name"].lower()]
    if order := query.get("orderBy", "").lower():
        if order not in ORDERS:
            raise bad_request(f"orderBy must be {', '.join(ORDERS)}, not {order!r}.")
        found.sort(key=ORDERS[order], reverse=query.get("orderByAsc", "").lower() != "true")
    return page(request, found, PAGE_SIZE)


async def get(request: Request) -> Response:
    """GET a datastore, without its secrets."""
    return JSONResponse(get_resource(request, arm_path(request)))


async def put(request: Request) -> Response:
    """Create or replace a datastore; `isDefault` makes it the default one."""
    context = context_of(request)
    datastore_id = arm_path(request)
    check_name("a datastore", request.path_params["name"], NAME_PATTERN, NAME_RULE)
    _, properties = await read_resource(request)
    completed, secret = _completed(properties, context.settings), _secret(properties)
    previous = context.store.get(datastore_id)
    completed["isDefault"] = bool(properties.get("isDefault")) or bool(previous and previous["properties"]["isDefault"])
    if completed["isDefault"] and completed["datastoreType"] != "AzureBlob":
        raise bad_request("The default datastore must be an AzureBlob.")
    if completed["isDefault"]:
        for other in context.store.list_collection(parent(datastore_id)):
            if other["properties"]["isDefault"]:
                context.store.set_properties(other["id"], isDefault=False)
    resource = new_resource(datastore_id, completed, previous=previous)
    context.store.put(resource)
    context.store.put_secret(datastore_id, secret)
    return created(request, resource)


async def delete(request: Request) -> Response:
    """DELETE a datastore; its data stays."""
    store = context_of(request).store
    datastore = store.get(arm_path(request))
    if datastore is None:
        return Response(status_code=204)
    if datastore["properties"]["isDefault"]:
        raise conflict(f"{datastore['id']} is the default datastore: make another one the default first.")
    store.delete(datastore["id"])
    return Response(status_code=200)


async def list_secrets(request: Request) -> Response:
    """Return a datastore's secrets, or a signature that expires if requested."""
    context = context_of(request)
    datastore = get_resource(request, parent(arm_path(request)))
    options = await read_body(request)
    properties = datastore["properties"]
    kind = properties["credentials"]["credentialsType"]
    if kind == "None":
        raise bad_request(f"The datastore {datastore['name']} has no credentials: use your own identity.")
    if kind == "AccountKey" and _is_in(context.blobs.account, properties) and options.get("expirableSecret"):
        return JSONResponse({"secretsType": "Sas", "sasToken": context.blobs.sign_account()})
    secret = context.store.get_secret(datastore["id"])
    # The workspace's own account has new keys at each start.
    if kind == "AccountKey" and properties["accountName"] == context.blobs.account:
        secret = context.blobs.key
    return JSONResponse({"secretsType": kind, CREDENTIALS[kind][1]: secret})


def _completed(properties: Document, settings: Settings) -> Document:
    """Validate a datastore's properties, apply defaults and remove its secret (recorded 2022 and 2024)."""
    kind = text_in(properties, "datastoreType")
    if kind not in KINDS:
        raise not_emulated(f"datastores of type {kind!r}; emulated are {', '.join(KINDS)}")
    credentials = object_in(properties, "credentials")
    credentials_kind = text_in(credentials, "credentialsType") or "None"
    if credentials_kind not in CREDENTIALS:
        raise not_emulated(f"credentials of type {credentials_kind!r}; emulated are {', '.join(CREDENTIALS)}")
    for place, names in ((properties, KINDS[kind]), (credentials, CREDENTIALS[credentials_kind][0])):
        for name in names:
            if not text_in(place, name):
                raise bad_request(f"A datastore of type {kind} with {credentials_kind} needs {name!r}.")
    shown = {name: value for name, value in credentials.items() if name != "secrets"}
    if credentials_kind in IDENTITIES:
        shown = {"authorityUrl": LOGIN_URL, "resourceUrl": RESOURCE_URLS.get(kind, STORAGE_URL), **shown}
    return {
        "description": text_in(properties, "description"),
        "tags": object_in(properties, "tags"),
        "properties": object_in(properties, "properties") or None,
        "isDefault": bool(properties.get("isDefault")),
        "credentials": {**shown, "credentialsType": credentials_kind},
        "intellectualProperty": None,
        "subscriptionId": settings.subscription_id,
        "resourceGroup": settings.resource_group,
        "datastoreType": kind,
        **{name: properties[name] for name in KINDS[kind]},
        **({} if kind == "AzureDataLakeGen1" else _address(properties)),
        "serviceDataAccessAuthIdentity": text_in(properties, "serviceDataAccessAuthIdentity") or "None",
    }


def _address(properties: Document) -> Document:
    return {
        "endpoint": text_in(properties, "endpoint") or "core.windows.net",
        "protocol": text_in(properties, "protocol") or "https",
    }


def _secret(properties: Document) -> str | None:
    credentials = object_in(properties, "credentials")
    field = CREDENTIALS[credentials.get("credentialsType") or "None"][1]
    return text_in(object_in(credentials, "secrets"), field) if field else None


def _is_in(account: str, properties: Document) -> bool:
    return (properties["datastoreType"], properties.get("accountName")) == ("AzureBlob", account)


routes = [
    Route("/datastores", list_datastores),
    Route("/datastores/{name}", get, methods=["GET"]),
    Route("/datastores/{name}", put, methods=["PUT"]),
    Route("/datastores/{name}", delete, methods=["DELETE"]),
    Route("/datastores/{name}/listSecrets", list_secrets, methods=["POST"]),
]
