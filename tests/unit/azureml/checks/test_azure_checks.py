"""One thing broken in Azure at a time: the checks name it and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from azureml_emulator import EmulatorInfo
from azureml_emulator.test_control.client import Control
from azureml_emulator.test_control.faults import Answer, Reset
from kfp_azureml.azureml.checks import hosts
from kfp_azureml.azureml.checks.azure_checks import azure_checks
from kfp_azureml.azureml.checks.run_settings import RunSettings
from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.runtime.checks import Result, State

Check = Callable[..., dict[str, Result]]
WS = "Microsoft.MachineLearningServices/workspaces"
# With this region's quota the default deployment, 2 x 4 cores, does not fit.
USAGES = {"value": [{"name": {"value": "standardDSv2Family"}, "currentValue": 2, "limit": 9}]}
ROLE = 'az role assignment create --assignee "$AZ_CLIENT_ID" --role "{}"'


def test_nothing_is_wrong(faults: Check) -> None:
    assert faults(strategy="canary", traffic_steps=[10, 100], instance_type="standard_ds3_V2") == {}


@pytest.mark.parametrize(
    ("action", "name", "state", "role"),
    [
        (f"{WS}/models/versions/write", "models", State.FAILED, "AzureML Data Scientist"),
        (f"{WS}/datastores/listSecrets/action", "datastores", State.FAILED, "AzureML Data Scientist"),
        (f"{WS}/environments/*", "environments", State.FAILED, "AzureML Data Scientist"),
        (f"{WS}/onlineEndpoints/write", "endpoints", State.FAILED, "AzureML Data Scientist"),
        (f"{WS}/onlineEndpoints/deployments/delete", "deployments", State.FAILED, "AzureML Data Scientist"),
        (f"{WS}/onlineendpoints/listkeys/action", "endpoint-keys", State.FAILED, "AzureML Data Scientist"),
        ("Microsoft.Insights/autoscaleSettings/write", "autoscale", State.WARNING, "Contributor"),
        ("Microsoft.Insights/metrics/read", "metrics", State.WARNING, "Monitoring Reader"),
        (f"{WS}/jobs/write", "jobs", State.WARNING, "AzureML Data Scientist"),
    ],
)
def test_a_missing_permission(faults: Check, control: Control, action: str, name: str, state: State, role: str) -> None:
    control.deny(action)
    found = faults()
    assert found.keys() == {f"azure.permission.{name}"}
    (result,) = found.values()
    assert result.state is state
    assert "lacks" in result.message
    assert result.mend.startswith(ROLE.format(role))


def test_a_workspace_that_may_not_be_read(faults: Check, control: Control) -> None:
    control.deny(f"{WS}/read")
    found = faults()
    assert found.keys() == {"azure.workspace"}
    assert found["azure.workspace"].mend.startswith(ROLE.format("AzureML Data Scientist"))


def test_permissions_that_may_not_be_read_are_no_fault(faults: Check, control: Control) -> None:
    control.deny("Microsoft.Authorization/permissions/read", "Microsoft.MachineLearningServices/locations/*")
    assert faults() == {}


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AZ_CLIENT_SECRET", "s3cr3t-value-123\n", "AZ_CLIENT_SECRET ends in white space"),
        ("AZ_TENANT_ID", '"11111111-1111-1111-1111-111111111111"', "AZ_TENANT_ID is in quotation marks"),
        ("AZ_CLIENT_ID", "", "AZ_CLIENT_ID is missing or empty"),
        ("AZ_SUBSCRIPTION_ID", " 44444444-aaaa", "AZ_SUBSCRIPTION_ID begins with white space"),
    ],
)
def test_malformed_credentials(
    faults: Check, environment: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    environment.setenv(variable, value)
    found = faults()
    assert found.keys() == {"azure.credentials"}
    assert said in found["azure.credentials"].message
    assert "kfp-azureml azcreds" in found["azure.credentials"].mend
    assert value.strip() not in str(found) or not value.strip()


def test_all_malformed_credentials_are_named_at_once(faults: Check, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AZ_CLIENT_SECRET", "s3cr3t-value-123 ")
    environment.delenv("AZ_TENANT_ID")
    message = faults()["azure.credentials"].message
    assert "AZ_TENANT_ID is missing" in message
    assert "AZ_CLIENT_SECRET ends in white space" in message


@pytest.mark.parametrize(
    ("variable", "value", "mend"),
    [
        ("AZ_CLIENT_SECRET", "wrong-secret-value", "az ad app credential reset"),
        ("AZ_TENANT_ID", "22222222-2222-2222-2222-222222222222", "az account show --query tenantId"),
        ("AZ_CLIENT_ID", "22222222-2222-2222-2222-222222222222", "az ad sp show"),
    ],
)
def test_rejected_credentials(
    faults: Check, environment: pytest.MonkeyPatch, variable: str, value: str, mend: str
) -> None:
    environment.setenv(variable, value)
    found = faults()
    assert found.keys() == {"azure.sign-in"}
    assert variable in found["azure.sign-in"].message
    assert mend in found["azure.sign-in"].mend
    assert "wrong-secret-value" not in str(found)


def test_an_expired_secret(faults: Check, control: Control) -> None:
    control.expire_client_secret()
    found = faults()
    assert found.keys() == {"azure.sign-in"}
    assert "expired" in found["azure.sign-in"].message
    assert "az ad app credential reset" in found["azure.sign-in"].mend


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
def test_a_wrong_clock(faults: Check, environment: pytest.MonkeyPatch, seconds: float) -> None:
    clock = hosts.time.time
    environment.setattr(hosts, "time", SimpleNamespace(time=lambda: clock() + seconds))
    found = faults()
    assert found.keys() == {"azure.clock"}
    assert ("ahead" if seconds > 0 else "behind") in found["azure.clock"].message
    assert "set-ntp" in found["azure.clock"].mend


@pytest.mark.parametrize(
    ("names", "check", "mend"),
    [
        ({"workspace": "another"}, "azure.workspace", "az ml workspace show --name another"),
        ({"resource_group": "another"}, "azure.workspace", "az ml workspace list"),
        ({"workspace": ""}, "azure.workspace-name", "--param workspace=WORKSPACE"),
        ({"workspace": "a/b"}, "azure.workspace-name", "--param workspace=WORKSPACE"),
    ],
)
def test_another_workspace(faults: Check, names: dict[str, str], check: str, mend: str) -> None:
    found = faults(names)
    assert found.keys() == {check}
    assert mend in found[check].mend


def test_a_workspace_that_is_not_provisioned(faults: Check, control: Control, workspace: dict[str, Any]) -> None:
    workspace["properties"]["provisioningState"] = "Failed"
    control.set_faults([_instead(f"*/workspaces/{workspace['name']}", workspace)])
    assert faults().keys() == {"azure.workspace"}


def test_a_registry_that_was_deleted(faults: Check, control: Control, workspace: dict[str, Any]) -> None:
    group = workspace["id"].partition("/providers/")[0]
    workspace["properties"]["containerRegistry"] = f"{group}/providers/Microsoft.ContainerRegistry/registries/gone"
    gone = Answer(path="*/registries/gone", status=404, code="ResourceNotFound", times=None)
    control.set_faults([_instead(f"*/workspaces/{workspace['name']}", workspace), gone])
    found = faults()
    assert found.keys() == {"azure.registry"}
    assert "--container-registry" in found["azure.registry"].mend


@pytest.mark.parametrize(
    ("run", "check", "mend"),
    [
        ({"model_name": "a b"}, "azure.model-name", "--param model_name="),
        ({"endpoint_name": "under_score"}, "azure.endpoint-name", "--param endpoint_name="),
        ({"strategy": "big-bang"}, "azure.rollout", "--param strategy=blue-green"),
        ({"strategy": "canary", "traffic_steps": [50, 20]}, "azure.rollout", "--param strategy=blue-green"),
        ({"strategy": "mirror", "compute": "k8s"}, "azure.rollout", "--param strategy=canary"),
        ({"instance_type": "Standard_NC6s_v3"}, "azure.vm-size", "--param instance_type=Standard_DS3_v2"),
        ({"instance_type": "Standard_X1"}, "azure.vm-size", "az ml compute list-sizes --location eastus"),
        ({"instance_count": 2500}, "azure.quota", "az quota create --resource-name standardDSv2Family"),
        ({"compute": "nowhere"}, "azure.compute", "az ml compute attach"),
        ({"compute": "cpu-cluster"}, "azure.compute", "az ml compute list"),
    ],
)
def test_wrong_settings(faults: Check, run: dict[str, Any], check: str, mend: str) -> None:
    found = faults(**run)
    assert found.keys() == {check}
    assert mend in found[check].mend


def test_a_retired_vm_size_is_named_as_that(faults: Check) -> None:
    assert "Azure has retired it" in faults(instance_type="Standard_NC6s_v3")["azure.vm-size"].message


def test_a_small_quota(faults: Check, control: Control) -> None:
    control.set_faults([_instead("*/usages", USAGES)])
    found = faults()
    assert found.keys() == {"azure.quota"}
    assert "it needs 8 cores" in found["azure.quota"].message
    assert "--limit-object value=10 " in found["azure.quota"].mend


def test_a_quota_under_its_display_name(faults: Check, control: Control) -> None:
    named = "Standard DSv2 Family Cluster Dedicated vCPUs"
    usage = {"name": {"value": named, "localizedValue": named}, "currentValue": 2, "limit": 9}
    low = {"name": {"value": "Standard DSv2 Family Cluster LowPriority vCPUs"}, "currentValue": 0, "limit": 99}
    control.set_faults([_instead("*/usages", {"value": [low, usage]})])
    assert faults().keys() == {"azure.quota"}


def test_a_compute_in_a_failed_state(faults: Check, control: Control) -> None:
    compute = {"properties": {"computeType": "Kubernetes", "provisioningState": "Failed"}}
    control.set_faults([_instead("*/computes/k8s", compute)])
    found = faults(compute="k8s")
    assert found.keys() == {"azure.compute"}
    assert "az ml compute show --name k8s" in found["azure.compute"].mend


@pytest.mark.parametrize(
    ("code", "mend"),
    [
        ("AuthorizationPermissionMismatch", ROLE.format("Storage Blob Data Contributor")),
        ("AuthorizationFailure", "az storage account network-rule add"),
    ],
)
def test_storage_that_refuses_to_write(faults: Check, control: Control, code: str, mend: str) -> None:
    path = "azuremlemulator.blob.core.windows.net/azureml-blobstore*/kfp-azureml-checks/*"
    control.set_faults([Answer(method="PUT", path=path, status=403, code=code, times=None)])
    found = faults()
    assert found.keys() == {"azure.storage"}
    assert found["azure.storage"].mend.startswith(mend)


@pytest.mark.parametrize(
    ("host", "check"),
    [
        ("management.azure.com", "azure.host.management"),
        ("login.microsoftonline.com", "azure.host.login"),
        ("eastus.api.azureml.ms", "azure.host.api"),
        ("azuremlemulator.blob.core.windows.net", "azure.host.storage"),
    ],
)
def test_a_host_that_does_not_respond(faults: Check, control: Control, host: str, check: str) -> None:
    control.set_faults([Reset(path=f"{host}*", times=None)])
    found = faults()
    assert found.keys() == {check}
    assert host in found[check].mend


def test_an_endpoint_of_another_kind(faults: Check, azure: EmulatorInfo, arm: httpx.Client) -> None:
    body = {"location": "eastus", "properties": {"authMode": "Key"}, "identity": {"type": "SystemAssigned"}}
    arm.put("onlineEndpoints/taken", json=body).raise_for_status()
    by_token = {**body, "properties": {"authMode": "AADToken"}}
    arm.put("batchEndpoints/nightly", json=by_token).raise_for_status()
    managed, batch = faults(endpoint_name="taken", compute="k8s"), faults(endpoint_name="nightly")
    assert managed.keys() == batch.keys() == {"azure.endpoint"}
    assert "managed endpoint" in managed["azure.endpoint"].message
    assert "batch endpoint" in batch["azure.endpoint"].message
    assert "--param endpoint_name=ANOTHER-NAME" in managed["azure.endpoint"].mend
    assert faults(endpoint_name="taken") == {}


def test_an_endpoint_that_is_full(faults: Check, control: Control, arm: httpx.Client) -> None:
    body = {"location": "eastus", "properties": {"authMode": "Key"}, "identity": {"type": "SystemAssigned"}}
    arm.put("onlineEndpoints/full", json=body).raise_for_status()
    deployments = {"value": [{"name": f"v{number}"} for number in range(20)]}
    control.set_faults([_instead("*/onlineEndpoints/full/deployments", deployments)])
    found = faults(endpoint_name="full")
    assert found.keys() == {"azure.endpoint"}
    assert "az ml online-deployment delete --name v0" in found["azure.endpoint"].mend


@pytest.mark.parametrize(
    ("variables", "check", "mend"),
    [
        ({"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": ""}, "network.proxy", "unset HTTPS_PROXY"),
        ({"https_proxy": "http://[broken"}, "network.proxy", "unset https_proxy"),
        ({"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"}, "network.ca-bundle", "export REQUESTS_CA_BUNDLE="),
        ({"SSL_CERT_FILE": __file__}, "network.ca-bundle", "export SSL_CERT_FILE="),
        ({"DATABRICKS_HOST": "http://adb-1.2.azuredatabricks.net"}, "databricks.host", "export DATABRICKS_HOST="),
    ],
)
def test_the_network(
    faults: Check, environment: pytest.MonkeyPatch, variables: dict[str, str], check: str, mend: str
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    found = faults()
    assert found.keys() == {check}
    assert mend in found[check].mend


def test_a_socks_proxy_without_pysocks(faults: Check, environment: pytest.MonkeyPatch) -> None:
    from kfp_azureml.azureml import socks_proxy

    environment.setattr(socks_proxy, "_is_installed", lambda _: False)
    environment.setenv("https_proxy", "socks5h://user:s3cr3t-value@127.0.0.1:1080")
    found = faults()
    assert found.keys() == {"network.proxy"}
    assert "pip install PySocks" in found["network.proxy"].mend
    assert "s3cr3t-value" not in str(found)


def test_a_certificate_that_is_not_trusted(faults: Check, environment: pytest.MonkeyPatch) -> None:
    import certifi

    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        environment.setenv(name, certifi.where())
    found = faults()
    assert found.keys() == {"azure.host.management", "azure.host.login", "databricks.host"}
    assert all("export REQUESTS_CA_BUNDLE=" in result.mend for result in found.values())


@pytest.mark.parametrize("compute", ["", "k8s"])
def test_the_order_is_that_of_the_needs(compute: str) -> None:
    settings = RunSettings(WorkspaceName("g", "w", "s"), compute=compute, everything=True)
    checks = list(azure_checks(settings, environ={"DATABRICKS_HOST": ""}))
    names = [check.name for check in checks]
    assert len(set(names)) == len(names)
    for number, check in enumerate(checks):
        before = {*names[:number], "network.proxy", "network.ca-bundle"}
        assert {*check.needs, *check.after} <= before, check.name


def test_a_run_is_checked_for_what_it_does(faults: Check, control: Control) -> None:
    control.deny(f"{WS}/models/*", f"{WS}/onlineEndpoints/*", f"{WS}/jobs/*", "Microsoft.Insights/*")
    register, endpoints = "azure.permission.models", {f"azure.permission.endpoint{end}" for end in ("s", "-keys")}
    assert faults(model_name="", everything=False) == {}
    assert faults(everything=False).keys() == {register}
    deployed = faults(model_name="", strategy="blue-green", everything=False).keys()
    assert deployed > endpoints
    assert not {register, "azure.permission.jobs"} & deployed


def _instead(path: str, document: dict[str, Any]) -> Answer:
    return Answer(
        method="GET",
        path=f"management.azure.com{path}",
        status=200,
        body=json.dumps(document),
        headers={"Content-Type": "application/json"},
        times=None,
    )


@pytest.fixture
def arm(azure: EmulatorInfo, control: Control) -> Any:
    import ssl

    from azure.identity import ClientSecretCredential

    environment = azure.environment
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        credential = ClientSecretCredential(
            *(environment[f"AZ_{key}"] for key in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"))
        )
        token = credential.get_token("https://management.azure.com/.default").token
    base = (
        f"https://management.azure.com/subscriptions/{environment['AZ_SUBSCRIPTION_ID']}/resourceGroups/"
        f"{azure.resource_group}/providers/Microsoft.MachineLearningServices/workspaces/{azure.workspace}/"
    )
    context = ssl.create_default_context(cafile=azure.ca_file)
    with httpx.Client(
        base_url=base,
        headers={"Authorization": f"Bearer {token}"},
        proxy=azure.proxy_url,
        verify=context,
        trust_env=False,
    ) as client:
        yield client


@pytest.fixture
def workspace(arm: httpx.Client) -> dict[str, Any]:
    document: dict[str, Any] = arm.get("").json()
    return document
