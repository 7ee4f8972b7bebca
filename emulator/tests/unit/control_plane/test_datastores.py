from __future__ import annotations

from typing import Any

import pytest

from azureml_emulator.control_plane import datastores
from azureml_emulator.settings import Settings
from azureml_emulator.store import Store
from emulator_app import App

pytestmark = pytest.mark.anyio

BLOB = {"datastoreType": "AzureBlob", "accountName": "account", "containerName": "mine"}
KINDS = {
    "blob": {**BLOB, "credentials": {"credentialsType": "Sas", "secrets": {"secretsType": "Sas", "sasToken": "s3"}}},
    "files": {
        "datastoreType": "AzureFile",
        "accountName": "other",
        "fileShareName": "share",
        "credentials": {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "k3y"}},
    },
    "lake": {
        "datastoreType": "AzureDataLakeGen2",
        "accountName": "other",
        "filesystem": "fs",
        "credentials": {
            "credentialsType": "ServicePrincipal",
            "clientId": "c",
            "tenantId": "t",
            "secrets": {"secretsType": "ServicePrincipal", "clientSecret": "s3cr3t"},
        },
    },
    "open": {**BLOB, "credentials": {"credentialsType": "None"}},
}
SECRETS = {
    "blob": {"secretsType": "Sas", "sasToken": "s3"},
    "files": {"secretsType": "AccountKey", "key": "k3y"},
    "lake": {"secretsType": "ServicePrincipal", "clientSecret": "s3cr3t"},
}


async def put(app: App, name: str, **properties: Any) -> dict[str, Any]:
    answer = await app.arm.put(f"datastores/{name}", json={"properties": properties})
    return {"status": answer.status_code, **answer.json()}


async def default(app: App) -> list[str]:
    listed = (await app.arm.get("datastores", params={"isDefault": "true"})).json()["value"]
    return [datastore["name"] for datastore in listed]


async def test_a_workspace_begins_with_the_services_datastores(app: App) -> None:
    listed = (await app.arm.get("datastores")).json()["value"]

    assert {datastore["name"]: datastore["properties"]["datastoreType"] for datastore in listed} == {
        "workspaceblobstore": "AzureBlob",
        "workspaceartifactstore": "AzureBlob",
        "workspacefilestore": "AzureFile",
        "workspaceworkingdirectory": "AzureFile",
    }
    assert await default(app) == ["workspaceblobstore"]
    settings = app.context.settings
    assert next(store for store in listed if store["name"] == "workspaceblobstore")["properties"] == {
        "description": None,
        "tags": None,
        "properties": None,
        "isDefault": True,
        "credentials": {"credentialsType": "AccountKey"},
        "intellectualProperty": None,
        "subscriptionId": settings.subscription_id,
        "resourceGroup": settings.resource_group,
        "datastoreType": "AzureBlob",
        "accountName": "account",
        "containerName": "azureml-blobstore",
        "endpoint": "core.windows.net",
        "protocol": "https",
        "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity",
    }


async def test_an_identity_has_the_addresses_that_were_not_given(app: App) -> None:
    created = await put(app, "lake", **KINDS["lake"])

    assert created["properties"]["credentials"] == {
        "credentialsType": "ServicePrincipal",
        "authorityUrl": "https://login.microsoftonline.com",
        "resourceUrl": "https://storage.azure.com/",
        "clientId": "c",
        "tenantId": "t",
    }


@pytest.mark.parametrize("kind", list(KINDS))
async def test_kinds_and_their_credentials(app: App, kind: str) -> None:
    created = await put(app, kind, **KINDS[kind])

    assert created["status"] == 201
    assert (await put(app, kind, **KINDS[kind]))["status"] == 201
    assert (await app.arm.get(f"datastores/{kind}")).json()["properties"] == created["properties"]
    assert "secrets" not in created["properties"]["credentials"]
    secrets = await app.arm.post(f"datastores/{kind}/listSecrets")
    if kind == "open":
        assert secrets.status_code == 400
    else:
        assert secrets.json() == SECRETS[kind]
        with_expiry = await app.arm.post(f"datastores/{kind}/listSecrets", json={"expirableSecret": True})
        assert with_expiry.json() == SECRETS[kind]


async def test_the_account_key_is_new_at_each_start(app: App) -> None:
    await put(app, "mine", **BLOB, credentials={"credentialsType": "AccountKey", "secrets": {"key": "an old one"}})

    assert (await app.arm.post("datastores/mine/listSecrets")).json() == {"secretsType": "AccountKey", "key": "a2V5"}
    expiring = (await app.arm.post("datastores/mine/listSecrets", json={"expirableSecret": True})).json()
    assert expiring == {"secretsType": "Sas", "sasToken": "sig=all"}


async def test_another_datastore_can_be_the_default(app: App) -> None:
    await put(app, "mine", **BLOB, isDefault=True)
    assert await default(app) == ["mine"]

    await put(app, "mine", **BLOB, description="as clients do, without isDefault")
    assert await default(app) == ["mine"]
    assert (await app.arm.delete("datastores/mine")).status_code == 409

    await put(app, "workspaceblobstore", **BLOB, isDefault=True)
    assert (await app.arm.delete("datastores/mine")).status_code == 200
    assert (await app.arm.delete("datastores/mine")).status_code == 204
    assert app.context.store.get_secret(f"{app.context.settings.workspace_id}/datastores/mine") is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"searchText": "FILE"}, ["workspacefilestore"]),
        ({"names": "workspacefilestore,workspaceblobstore"}, ["workspaceblobstore", "workspacefilestore"]),
        ({"orderBy": "name", "orderByAsc": "true", "count": "1"}, ["workspaceartifactstore"]),
        ({"orderBy": "name", "count": "1"}, ["workspaceworkingdirectory"]),
        ({"orderBy": "createdtime", "orderByAsc": "true", "count": "1"}, ["workspaceblobstore"]),
        ({"orderBy": "modifiedtime", "count": "1"}, ["workspaceworkingdirectory"]),
    ],
)
async def test_lists(app: App, query: dict[str, str], expected: list[str]) -> None:
    listed = (await app.arm.get("datastores", params=query)).json()["value"]

    assert [datastore["name"] for datastore in listed] == expected


@pytest.mark.parametrize(
    ("name", "properties", "status"),
    [
        ("a b", BLOB, 400),
        ("x", {}, 501),
        ("x", {"datastoreType": ["AzureBlob"]}, 400),
        ("x", {"datastoreType": "OneLake"}, 501),
        ("x", {"datastoreType": "AzureBlob", "accountName": "a"}, 400),
        ("x", {**BLOB, "credentials": {"credentialsType": "KerberosKeytab"}}, 501),
        ("x", {**BLOB, "credentials": {"credentialsType": "ServicePrincipal", "clientId": "c"}}, 400),
        ("x", {**BLOB, "credentials": {"credentialsType": "Sas", "secrets": {"sasToken": 1}}}, 400),
        ("x", {**BLOB, "description": 1}, 400),
        ("x", {**KINDS["lake"], "isDefault": True}, 400),
    ],
)
async def test_changes_that_are_refused(app: App, name: str, properties: dict[str, Any], status: int) -> None:
    assert (await put(app, name, **properties))["status"] == status


def test_an_account_without_keys(settings: Settings, store: Store) -> None:
    datastores.create(store, Settings(settings.state_dir, keyless_storage=True), "account")

    for datastore in store.list_collection(f"{settings.workspace_id}/datastores"):
        assert datastore["properties"]["credentials"] == {"credentialsType": "None"}


def test_containers_of_the_account(settings: Settings, store: Store) -> None:
    datastores.create(store, settings, "account")

    def container(name: str, account: str = "account") -> str | None:
        return datastores.find_container(store, f"{settings.workspace_id}/datastores/{name}", account)

    assert container("workspaceblobstore") == "azureml-blobstore"
    assert container("workspaceartifactstore") == "azureml"
    assert container("workspacefilestore") is None
    assert container("none") is None
    assert container("workspaceblobstore", "other") is None
