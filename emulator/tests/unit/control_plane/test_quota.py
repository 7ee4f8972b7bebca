from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.control_plane.quota import check_quota, reserved_cores
from azureml_emulator.settings import Settings
from azureml_emulator.store import Document
from emulator_app import App
from endpoint_requests import deploy, operation_of, put_endpoint, serve_at_once


def deployment(size: object, instances: object = 1, name: str = "blue") -> Document:
    return {"id": f"/deployments/{name}", "sku": {"capacity": instances}, "properties": {"instanceType": size}}


LOCATION = "providers/Microsoft.MachineLearningServices/locations/eastus"


@pytest.mark.parametrize(
    ("size", "instances", "reserved"),
    [
        ("Standard_DS3_v2", 1, ("ds_v2", 8)),
        ("standard_ds3_V2", 5, ("ds_v2", 24)),
        ("Standard_DS5_v2", 1, ("ds_v2", 32)),
        ("Standard_D12_v2", 2, ("d_v2", 12)),
        ("Standard_F4s_v2", 1, ("fs_v2", 8)),
        ("Standard_E32s_v3", 1, ("es_v3", 64)),
        ("Standard_NC4as_T4_v3", 3, ("ncas_t4_v3", 16)),
        ("Standard_NC24ads_A100_v4", 1, ("ncads_a100_v4", 48)),
    ],
)
def test_a_fifth_more_is_reserved(size: str, instances: int, reserved: tuple[str, int]) -> None:
    assert reserved_cores(deployment(size, instances)) == reserved


@pytest.mark.parametrize(
    ("size", "instances", "said"), [("large", 1, "large"), (None, 1, "None"), ("Standard_NC4as_T4_v3", 0, "0")]
)
def test_sizes_without_cores_are_refused(size: object, instances: object, said: str) -> None:
    with pytest.raises(ArmError, match=said):
        reserved_cores(deployment(size, instances))


def test_only_others_of_the_same_family_use_the_quota_up() -> None:
    others = [
        deployment("Standard_DS3_v2"),
        deployment("Standard_F16s_v2", 9, "f"),
        deployment("Standard_DS2_v2", 1, "g"),
    ]

    check_quota(deployment("Standard_DS3_v2", 1, "BLUE"), others, 12, "s")
    with pytest.raises(ArmError) as caught:
        check_quota(deployment("Standard_DS3_v2", 1, "red"), others, 12, "s")

    error = caught.value.document()
    assert (caught.value.status, error["code"], error["message"]) == (400, "BadRequest", "The request is invalid.")
    assert error["details"][0]["code"] == "InferencingClientCreateDeploymentFailed"
    prefix, _, reported = error["details"][0]["message"].partition("error detail: ")
    assert prefix == "InferencingClient HttpRequest error, "
    assert list(json.loads(reported)) == ["errors", "type", "title", "status", "traceId"]
    assert "Current usage/limit: 12/12. Additional needed: 8" in json.loads(reported)["errors"]["VmSize"][0]


@pytest.mark.anyio
class TestEndpoints:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return Settings(state_dir=tmp_path, quota_cores=8)

    async def test_the_quota_is_for_managed_deployments(self, app: App) -> None:
        serve_at_once(app)
        await operation_of(app, await put_endpoint(app))
        await operation_of(app, await deploy(app, "blue"))
        await operation_of(app, await deploy(app, "blue"))

        refused = await deploy(app, "green")

        location = f"{app.context.settings.workspace_id.partition('/resourceGroups/')[0]}/{LOCATION}"
        usages = (await app.arm.get(f"https://management.azure.com{location}/usages")).json()["value"]
        (usage,) = (usage for usage in usages if usage["name"]["value"] == "standardDSv2Family")
        assert (usage["currentValue"], usage["limit"]) == (8, 8)
        assert refused.status_code == 400
        assert "Not enough quota available for Standard_DS3_v2" in refused.text
        assert (await app.arm.get("onlineEndpoints/digits/deployments/green")).status_code == 404
        await operation_of(app, await app.arm.delete("onlineEndpoints/digits/deployments/blue"))
        assert (await deploy(app, "green")).status_code == 201

    async def test_a_cluster_has_no_quota(self, app: App) -> None:
        serve_at_once(app)
        compute = f"{app.context.settings.workspace_id}/computes/k8s"
        await operation_of(app, await put_endpoint(app, compute=compute))
        kind: dict[str, Any] = {"endpointComputeType": "Kubernetes"}

        assert [(await deploy(app, name, **kind)).status_code for name in ("blue", "green", "red")] == [201] * 3
