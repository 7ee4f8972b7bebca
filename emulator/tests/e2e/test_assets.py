"""azure-ai-ml's assets and datastores against the emulator: labels, archives, pages, kinds of datastores, no keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes, ListViewType
from azure.ai.ml.entities import (
    AccountKeyConfiguration,
    AzureBlobDatastore,
    AzureDataLakeGen2Datastore,
    AzureFileDatastore,
    Environment,
    Model,
    SasTokenConfiguration,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.storage.blob import BlobServiceClient

from azureml_emulator import EmulatorInfo, running_emulator

NAME = "assets"


def signed_in(emulator: EmulatorInfo) -> MLClient:
    names = emulator.environment
    credential = ClientSecretCredential(names["AZ_TENANT_ID"], names["AZ_CLIENT_ID"], names["AZ_CLIENT_SECRET"])
    return MLClient(
        credential, names["AZ_SUBSCRIPTION_ID"], emulator.resource_group, emulator.workspace, enable_telemetry=False
    )


@pytest.fixture(scope="module")
def client(emulator: EmulatorInfo) -> Iterator[MLClient]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        yield signed_in(emulator)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.txt").write_text("42")
    return folder


def register(client: MLClient, folder: Path, name: str, version: str | None = None, **options: object) -> Model:
    model = Model(name=name, version=version, path=folder, type=AssetTypes.CUSTOM_MODEL, **options)
    return client.models.create_or_update(model)


def test_versions_count_on_whatever_is_deleted_or_archived(client: MLClient, folder: Path) -> None:
    name = f"{NAME}-versions"
    assert [register(client, folder, name, version).version for version in (None, "7", None, "blue")] == [
        "1",
        "7",
        "8",
        "blue",
    ]

    client.models.archive(name, version="blue")

    assert client.models.get(name, label="latest").version == "8"
    assert sorted(model.version for model in client.models.list(name)) == ["1", "7", "8"]
    archived = client.models.list(name, list_view_type=ListViewType.ARCHIVED_ONLY)
    assert [model.version for model in archived] == ["blue"]
    client.models.restore(name, version="blue")
    assert client.models.get(name, label="latest").version == "blue"
    assert register(client, folder, name).version == "9"


def test_an_archived_model_is_not_listed(client: MLClient, folder: Path) -> None:
    name = f"{NAME}-archived"
    register(client, folder, name)

    client.models.archive(name)

    assert name not in [model.name for model in client.models.list()]
    assert name in [model.name for model in client.models.list(list_view_type=ListViewType.ALL)]
    assert [model.version for model in client.models.list(name)] == ["1"]
    client.models.restore(name)
    assert name in [model.name for model in client.models.list()]


def test_models_of_a_stage(client: MLClient, folder: Path) -> None:
    name = f"{NAME}-stages"
    for stage in ("Development", "Production"):
        register(client, folder, name, stage=stage)

    assert [model.version for model in client.models.list(name, stage="Production")] == ["2"]


def test_a_list_over_several_pages(client: MLClient) -> None:
    name = f"{NAME}-many"
    for version in range(1, 106):
        client.environments.create_or_update(Environment(name=name, version=str(version), image="an/image"))

    assert [found.version for found in client.environments.list(name)] == [str(number) for number in range(1, 106)]
    assert client.environments.get(name, label="latest").version == "105"


def test_datastores_of_several_kinds(client: MLClient) -> None:
    kinds = {
        "blob": AzureBlobDatastore(
            name="mine_blob",
            account_name="other",
            container_name="c",
            credentials=SasTokenConfiguration(sas_token="s3"),
        ),
        "files": AzureFileDatastore(
            name="mine_files",
            account_name="other",
            file_share_name="f",
            credentials=AccountKeyConfiguration(account_key="k3y"),
        ),
        "lake": AzureDataLakeGen2Datastore(name="mine_lake", account_name="other", filesystem="fs"),
    }
    for datastore in kinds.values():
        client.datastores.create_or_update(datastore)

    found = {datastore.name: type(datastore) for datastore in client.datastores.list()}

    assert {datastore.name: type(datastore) for datastore in kinds.values()}.items() <= found.items()
    assert client.datastores.get("mine_blob", include_secrets=True).credentials.sas_token == "s3"
    assert client.datastores.get("mine_files", include_secrets=True).credentials.account_key == "k3y"
    assert client.datastores.get_default().name == "workspaceblobstore"
    for datastore in kinds.values():
        client.datastores.delete(datastore.name)
    with pytest.raises(ResourceNotFoundError):
        client.datastores.get("mine_lake")
    with pytest.raises(HttpResponseError, match="default datastore"):
        client.datastores.delete("workspaceblobstore")


def test_an_account_without_keys_takes_the_callers_own_identity(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_emulator(arguments=["--keyless-storage"]) as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        client = signed_in(emulator)

        model = register(client, folder, NAME)
        client.models.download(NAME, model.version, download_path=folder / "copy")

        assert client.workspaces.get_keys().user_storage_key is None
        assert [path.read_text() for path in (folder / "copy").rglob("weights.txt")] == ["42"]


def test_a_datastore_of_ones_own(client: MLClient, folder: Path) -> None:
    """Its container is made by its owner, as at the service; without credentials, the caller's identity opens it."""
    account = client.datastores.get_default().account_name
    containers = BlobServiceClient(f"https://{account}.blob.core.windows.net", client._credential)
    containers.create_container("own")
    client.datastores.create_or_update(AzureBlobDatastore(name="own", account_name=account, container_name="own"))

    model = client.models.create_or_update(Model(name=f"{NAME}-own", path=folder, datastore="own"))

    assert "/datastores/own/paths/" in model.path
    assert [blob.name.rsplit("/", 1)[1] for blob in containers.get_container_client("own").list_blobs()] == [
        "weights.txt"
    ]
    client.models.download(model.name, model.version, download_path=folder / "copy")
    assert [path.read_text() for path in (folder / "copy").rglob("weights.txt")] == ["42"]
    client.datastores.delete("own")
