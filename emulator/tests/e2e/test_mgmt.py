"""azure-mgmt-machinelearningservices, the contract's other official client.

What its models do not know is lost in them: so each kind of resource is compared with what the model keeps of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import EnvironmentCredential
from azure.mgmt.machinelearningservices import MachineLearningServicesMgmtClient
from azure.mgmt.machinelearningservices import models as m

from azureml_emulator import EmulatorInfo
from azureml_rest import SCORING_PACKAGE, conda_file, signed_in_workspace

NAME = "mgmt"
ECHO = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"
COMMON: dict[str, Any] = {"description": "of a test", "tags": {"a": "b"}, "properties": {"c": "d"}}


class Client:
    """The client, with the names of the group and the workspace in front of all arguments."""

    def __init__(self, emulator: EmulatorInfo) -> None:
        subscription = emulator.environment["AZ_SUBSCRIPTION_ID"]
        self._client = MachineLearningServicesMgmtClient(EnvironmentCredential(), subscription)
        self._scope = (emulator.resource_group, emulator.workspace)
        self.id = (
            f"/subscriptions/{subscription}/resourceGroups/{emulator.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{emulator.workspace}"
        )

    def __getattr__(self, group: str) -> Any:
        operations = getattr(self._client, group)
        scope = self._scope

        class Scoped:
            def __getattr__(self, name: str) -> Callable[..., Any]:
                return lambda *arguments, **options: getattr(operations, name)(*scope, *arguments, **options)

        return Scoped()


@pytest.fixture(scope="module")
def client(emulator: EmulatorInfo) -> Iterator[Client]:
    """The client, with one resource of each kind."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        client = Client(emulator)
        make_assets(client)
        make_datastores(client)
        make_endpoint(client, emulator)
        yield client
        client.online_endpoints.begin_delete(NAME).result()
        for kind in (client.model_containers, client.environment_containers, client.code_containers):
            kind.delete(NAME)


def make_assets(client: Client) -> None:
    uri = "azureml://datastores/workspaceblobstore/paths/a"
    model = m.ModelVersionProperties(model_uri=uri, model_type="custom_model", **COMMON)
    client.model_versions.create_or_update(NAME, "1", m.ModelVersion(properties=model))
    environment = m.EnvironmentVersionProperties(image="an/image", conda_file=conda_file(SCORING_PACKAGE), **COMMON)
    client.environment_versions.create_or_update(NAME, "1", m.EnvironmentVersion(properties=environment))


def make_datastores(client: Client) -> None:
    blob = {"account_name": "a", "container_name": "c"}
    kinds = {
        "none": m.AzureBlobDatastore(credentials=m.NoneDatastoreCredentials(), **blob, **COMMON),
        "sas": m.AzureBlobDatastore(
            credentials=m.SasDatastoreCredentials(secrets=m.SasDatastoreSecrets(sas_token="s3")), **blob
        ),
        "files": m.AzureFileDatastore(
            account_name="a",
            file_share_name="f",
            credentials=m.AccountKeyDatastoreCredentials(secrets=m.AccountKeyDatastoreSecrets(key="k3y")),
        ),
        "lake": m.AzureDataLakeGen2Datastore(
            account_name="a",
            filesystem="f",
            credentials=m.ServicePrincipalDatastoreCredentials(
                client_id="00000000-0000-0000-0000-00000000000c",
                tenant_id="00000000-0000-0000-0000-00000000000d",
                secrets=m.ServicePrincipalDatastoreSecrets(client_secret="s3cr3t"),
            ),
        ),
    }
    for name, properties in kinds.items():
        client.datastores.create_or_update(f"{NAME}_{name}", m.Datastore(properties=properties))


def make_endpoint(client: Client, emulator: EmulatorInfo) -> None:
    with signed_in_workspace(emulator) as workspace:
        workspace.upload_code(NAME, ECHO)
    endpoint = m.OnlineEndpoint(
        location="eastus",
        tags={"a": "b"},
        identity=m.ManagedServiceIdentity(type="SystemAssigned"),
        properties=m.OnlineEndpointProperties(auth_mode="Key", description="of a test", properties={"c": "d"}),
    )
    client.online_endpoints.begin_create_or_update(NAME, endpoint).result()
    deployment = m.ManagedOnlineDeployment(
        model=f"{client.id}/models/{NAME}/versions/1",
        environment_id=f"{client.id}/environments/{NAME}/versions/1",
        code_configuration=m.CodeConfiguration(
            code_id=f"{client.id}/codes/{NAME}/versions/1", scoring_script="score.py"
        ),
        instance_type="Standard_DS3_v2",
        environment_variables={"A": "b"},
    )
    # There is no blob behind the model: its deployment fails, and the resource is what matters here.
    poller = client.online_deployments.begin_create_or_update(
        NAME, "blue", m.OnlineDeployment(location="eastus", tags={"a": "b"}, properties=deployment)
    )
    with pytest.raises(HttpResponseError):
        poller.result()


GET: dict[str, Callable[[Client], Callable[..., Any]]] = {
    "workspace": lambda client: client.workspaces.get,
    "cluster": lambda client: lambda **options: client.compute.get("cpu-cluster", **options),
    "kubernetes": lambda client: lambda **options: client.compute.get("k8s", **options),
    "default datastore": lambda client: lambda **options: client.datastores.get("workspaceblobstore", **options),
    "file datastore": lambda client: lambda **options: client.datastores.get("workspacefilestore", **options),
    **{
        f"{kind} datastore": lambda client, kind=kind: (
            lambda **options: client.datastores.get(f"{NAME}_{kind}", **options)
        )
        for kind in ("none", "sas", "files", "lake")
    },
    "model": lambda client: lambda **options: client.model_versions.get(NAME, "1", **options),
    "model container": lambda client: lambda **options: client.model_containers.get(NAME, **options),
    "environment": lambda client: lambda **options: client.environment_versions.get(NAME, "1", **options),
    "environment container": lambda client: lambda **options: client.environment_containers.get(NAME, **options),
    "code": lambda client: lambda **options: client.code_versions.get(NAME, "1", **options),
    "code container": lambda client: lambda **options: client.code_containers.get(NAME, **options),
    "online endpoint": lambda client: lambda **options: client.online_endpoints.get(NAME, **options),
    "online deployment": lambda client: lambda **options: client.online_deployments.get(NAME, "blue", **options),
    "online endpoint keys": lambda client: lambda **options: client.online_endpoints.list_keys(NAME, **options),
    "workspace keys": lambda client: client.workspaces.list_keys,
    "storage account keys": lambda client: client.workspaces.list_storage_account_keys,
    "datastore secrets": lambda client: lambda **options: client.datastores.list_secrets(f"{NAME}_lake", **options),
    "log": lambda client: (
        lambda **options: client.online_deployments.get_logs(NAME, "blue", m.DeploymentLogsRequest(tail=5), **options)
    ),
}


LATER = {
    "kind",
    "allowRoleAssignmentOnRG",
    "creationTime",
    "enableDataIsolation",
    "enableServiceSideCMKEncryption",
    "EnableSoftwareBillOfMaterials",
    "etag",
    "ipAllowlist",
    "isPrivateLinkEnabled",
    "managedNetwork",
    "resourceGroup",
    "sasGetterUri",
    "sdkTelemetryAppInsightsKey",
    "softDeleteEnabled",
    "subscriptionId",
    "systemDatastoresAuthMode",
}
"""Fields that the service sends (recorded 2024) and the contract of this client's version does not have."""


@pytest.mark.parametrize("kind", GET)
def test_no_field_is_lost_in_the_typed_model(client: Client, kind: str) -> None:
    text, model = GET[kind](client)(cls=lambda response, model, _headers: (response.http_response.text(), model))

    kept = model.serialize(keep_readonly=True)

    sent = json.loads(text)
    assert comparable(kept) == comparable(known(sent) if kind.endswith(("workspace", "datastore")) else sent)


def known(value: Any) -> Any:
    """Leave out what the client's contract does not have."""
    if isinstance(value, dict):
        return {name: known(item) for name, item in value.items() if name not in LATER}
    return value


def comparable(value: Any) -> Any:
    """Leave out what is null, which the models do not keep, and write times and durations in one way."""
    if isinstance(value, dict):
        return {name: comparable(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, str) and value[4:5] == "-" and "T" in value:
        return datetime.fromisoformat(value)
    # The models write no duration in days.
    return "PT0S" if value == "P0D" else value


def test_lists_of_each_kind_have_it(client: Client) -> None:
    lists = {
        client.model_containers.list(): NAME,
        client.model_versions.list(NAME): "1",
        client.environment_containers.list(): NAME,
        client.environment_versions.list(NAME, order_by="createdtime desc", top=1): "1",
        client.code_containers.list(): NAME,
        client.code_versions.list(NAME): "1",
        client.datastores.list(count=1): f"{NAME}_lake",
        client.datastores.list(is_default=True): "workspaceblobstore",
        client.compute.list(): "k8s",
        client.online_endpoints.list(): NAME,
        client.online_deployments.list(NAME): "blue",
    }
    for found, name in lists.items():
        assert name in [resource.name for resource in found]


def test_a_list_goes_on_to_its_last_page(client: Client) -> None:
    for version in range(2, 12):
        properties = m.ModelVersionProperties(model_uri="azureml://datastores/workspaceblobstore/paths/a")
        client.model_versions.create_or_update(f"{NAME}-many", str(version), m.ModelVersion(properties=properties))

    pages = list(client.model_containers.list(count=1).by_page())

    assert len(pages) >= 2
    assert {model.name for page in pages for model in page} >= {NAME, f"{NAME}-many"}
    assert [len(list(page)) for page in client.model_versions.list(f"{NAME}-many", top=4).by_page()] == [4, 4, 2]
    client.model_containers.delete(f"{NAME}-many")


def test_archive_and_delete(client: Client) -> None:
    name = f"{NAME}-old"
    properties = m.ModelVersionProperties(model_uri="azureml://datastores/workspaceblobstore/paths/a")
    version = client.model_versions.create_or_update(name, "1", m.ModelVersion(properties=properties))
    version.properties.is_archived = True
    client.model_versions.create_or_update(name, "1", version)

    assert list(client.model_versions.list(name)) == []
    assert [found.name for found in client.model_versions.list(name, list_view_type="ArchivedOnly")] == ["1"]
    client.model_containers.create_or_update(
        name, m.ModelContainer(properties=m.ModelContainerProperties(is_archived=True))
    )
    assert name not in [found.name for found in client.model_containers.list()]
    client.model_versions.delete(name, "1")
    with pytest.raises(ResourceNotFoundError):
        client.model_versions.get(name, "1")
    client.model_containers.delete(name)


def test_a_changed_version_is_refused(client: Client) -> None:
    properties = m.ModelVersionProperties(model_uri="azureml://datastores/workspaceblobstore/paths/other")

    with pytest.raises(HttpResponseError) as refused:
        client.model_versions.create_or_update(NAME, "1", m.ModelVersion(properties=properties))

    error = refused.value.error
    assert (refused.value.status_code, error.code) == (400, "UserError")
    assert f"models {NAME}:1 is already registered, and modelUri cannot change." in error.message
    assert [info.type for info in error.additional_info][:2] == ["ComponentName", "Correlation"]


def test_keys(client: Client) -> None:
    before = client.online_endpoints.list_keys(NAME)
    client.online_endpoints.begin_regenerate_keys(NAME, m.RegenerateEndpointKeysRequest(key_type="Primary")).result()
    after = client.online_endpoints.list_keys(NAME)

    assert (after.primary_key != before.primary_key, after.secondary_key) == (True, before.secondary_key)
    assert client.datastores.list_secrets(f"{NAME}_files").key == "k3y"
    assert client.online_deployments.list_skus(NAME, "blue").next().sku.name == "default"


def test_the_workspace_is_listed_and_changed(emulator: EmulatorInfo, client: Client) -> None:
    workspaces = client._client.workspaces

    assert [found.name for found in workspaces.list_by_subscription()] == [emulator.workspace]
    assert [found.name for found in workspaces.list_by_resource_group(emulator.resource_group)] == [emulator.workspace]
    changed = client.workspaces.begin_update(m.WorkspaceUpdateParameters(tags={"team": "vision"})).result()
    assert changed.tags == {"team": "vision"}
    client.workspaces.begin_update(m.WorkspaceUpdateParameters(tags={})).result()
