"""Azure ML's names for data, looked up in a double of its REST interface."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from kfp_azureml.azureml import data_references
from kfp_azureml.azureml.data_references import locate
from kfp_azureml.runtime.errors import CredentialsError, DataError, WorkspaceError

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
OTHER = "/subscriptions/s2/resourceGroups/g2/providers/Microsoft.MachineLearningServices/workspaces/w2"
BLOB = {"datastoreType": "AzureBlob", "accountName": "acc", "containerName": "box", "endpoint": "core.windows.net"}
LAKE = {"datastoreType": "AzureDataLakeGen2", "accountName": "lake", "filesystem": "fs", "endpoint": None}
RESOURCES: dict[str, dict[str, Any]] = {
    f"{WORKSPACE}/data/flowers": {"latestVersion": "12"},
    f"{WORKSPACE}/data/flowers/versions/12": {"dataUri": "azureml://datastores/store/paths/flowers/12/"},
    f"{WORKSPACE}/data/flowers/versions/3": {
        "dataUri": "azureml://subscriptions/s2/resourcegroups/g2/workspaces/w2/datastores/lake/paths/a%20b/c"
    },
    f"{WORKSPACE}/data/web/versions/1": {"dataUri": "https://acc.blob.core.windows.net/box/web/data"},
    f"{WORKSPACE}/data/odd/versions/1": {"dataUri": "azureml://datastores/store/paths/data #1 100% ü+?/"},
    f"{WORKSPACE}/data/odd/versions/2": {"dataUri": "https://acc.blob.core.windows.net/box/data #1 100% ü+/"},
    f"{WORKSPACE}/data/odd/versions/3": {
        "dataUri": "https://acc.blob.core.windows.net/box/data%20%231%20100%25%20%C3%BC+?sig=secret"
    },
    f"{WORKSPACE}/data/elsewhere/versions/1": {"dataUri": "https://example.com/data"},
    f"{WORKSPACE}/data/circle/versions/1": {"dataUri": "azureml:circle:1"},
    f"{WORKSPACE}/datastores/store": BLOB,
    f"{WORKSPACE}/datastores/files": {"datastoreType": "AzureFile", "accountName": "acc", "fileShareName": "share"},
    f"{OTHER}/datastores/lake": LAKE,
}


class Arm:
    """Answers GETs; like azure-core's client it is a context manager."""

    def __enter__(self) -> Arm:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send_request(self, request: Any) -> Any:
        path, _, query = request.url.removeprefix(data_references.ARM).partition("?")
        assert query == f"api-version={data_references.API_VERSION}"

        def raise_for_status() -> None:
            if path not in RESOURCES:
                error = HttpResponseError("not there")
                error.status_code = 404
                raise error

        return SimpleNamespace(raise_for_status=raise_for_status, json=lambda: {"properties": RESOURCES[path]})


@pytest.fixture(autouse=True)
def arm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_references, "_client", Arm)
    for what in ("SUBSCRIPTION", "RESOURCEGROUP", "WORKSPACE_NAME"):
        monkeypatch.delenv(f"AZUREML_ARM_{what}", raising=False)
    monkeypatch.delenv("AZ_SUBSCRIPTION_ID", raising=False)


NAMES = {"resource_group": "g", "workspace": "w", "subscription_id": "s"}


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("azureml:flowers:12", "abfss://box@acc.dfs.core.windows.net/flowers/12/"),
        ("azureml:flowers@latest", "abfss://box@acc.dfs.core.windows.net/flowers/12/"),
        ("azureml:flowers:3", "abfss://fs@lake.dfs.core.windows.net/a b/c"),
        ("azureml:web:1", "abfss://box@acc.dfs.core.windows.net/web/data"),
        ("azureml:odd:1", "abfss://box@acc.dfs.core.windows.net/data #1 100% ü+?/"),
        ("azureml:odd:2", "abfss://box@acc.dfs.core.windows.net/data #1 100% ü+/"),
        ("azureml:odd:3", "abfss://box@acc.dfs.core.windows.net/data #1 100% ü+"),
        ("azureml:elsewhere:1", "https://example.com/data"),
        ("azureml://datastores/store/paths/x/y", "abfss://box@acc.dfs.core.windows.net/x/y"),
        (
            "azureml://subscriptions/s2/resourceGroups/g2/workspaces/w2/datastores/lake/paths/x",
            "abfss://fs@lake.dfs.core.windows.net/x",
        ),
        (f"azureml:{WORKSPACE}/data/flowers/versions/12", "abfss://box@acc.dfs.core.windows.net/flowers/12/"),
    ],
)
def test_a_name_leads_to_where_the_data_is(address: str, place: str) -> None:
    assert locate(address, **NAMES) == place


def test_inside_a_job_its_own_workspace_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    for what, value in (("SUBSCRIPTION", "s"), ("RESOURCEGROUP", "g"), ("WORKSPACE_NAME", "w")):
        monkeypatch.setenv(f"AZUREML_ARM_{what}", value)
    assert locate("azureml:flowers:12") == "abfss://box@acc.dfs.core.windows.net/flowers/12/"


def test_the_subscription_is_that_of_azcreds(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CredentialsError, match="AZ_SUBSCRIPTION_ID is missing"):
        locate("azureml:flowers:12", resource_group="g", workspace="w")
    monkeypatch.setenv("AZ_SUBSCRIPTION_ID", "s")
    assert locate("azureml:flowers:12", resource_group="g", workspace="w").startswith("abfss://box@acc")


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("azureml:flowers", "^azureml:flowers: expected azureml:NAME:VERSION, "),
        ("azureml://datastores/store", "expected azureml:NAME:VERSION, "),
        ("azureml:flowers:7", "^data asset flowers, version 7: does not exist"),
        ("azureml:nosuch@latest", "^data asset nosuch: does not exist"),
        ("azureml://datastores/nosuch/paths/x", "^datastore nosuch: does not exist"),
        ("azureml://datastores/files/paths/x", "^datastore files: its type is AzureFile; only blob containers"),
        ("azureml:circle:1", "^azureml:circle:1: does not resolve to data"),
    ],
)
def test_a_name_that_leads_nowhere_is_said(address: str, error: str) -> None:
    with pytest.raises(DataError, match=error):
        locate(address, **NAMES)


def test_a_name_without_a_workspace_is_said() -> None:
    with pytest.raises(WorkspaceError, match="set resource_group and workspace"):
        locate("azureml:flowers:12")
