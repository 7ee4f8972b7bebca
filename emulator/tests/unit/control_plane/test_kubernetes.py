from __future__ import annotations

from typing import Any

import httpx
import pytest

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.control_plane.kubernetes import cluster_properties, deployment_settings
from azureml_emulator.store import Document
from emulator_app import App
from endpoint_requests import operation_of, wait_for

COMPUTE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/computes/Big"
DEFAULT = {"instanceType": None, "scaleSettings": {"scaleType": "Default"}}


@pytest.fixture
def cluster() -> Document:
    return {"id": COMPUTE, "name": "Big", "properties": cluster_properties(COMPUTE, {})}


async def put_endpoint(app: App, on: str | None, **properties: Any) -> httpx.Response:
    compute = on and f"{app.context.settings.workspace_id}/computes/{on}"
    body = {"properties": {"authMode": "Key", "compute": compute, **properties}}
    return await app.arm.put("onlineEndpoints/digits", json=body)


@pytest.mark.anyio
async def test_an_endpoint_is_asked_at_its_cluster(app: App) -> None:
    answer = await put_endpoint(app, "K8S")

    assert answer.status_code == 201
    properties = answer.json()["properties"]
    assert properties["compute"] == f"{app.context.settings.workspace_id}/computes/k8s"
    await operation_of(app, answer)
    endpoint = (await app.arm.get("onlineEndpoints/digits")).json()
    assert endpoint["properties"]["scoringUri"] == "http://127.0.0.1:80/api/v1/endpoint/digits/score"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("compute", "changed", "status", "said"),
    [
        ("nowhere", {}, 404, "/computes/nowhere"),
        ("cpu-cluster", {}, 400, "not a Kubernetes compute"),
        (None, {"compute": ["k8s"]}, 404, "k8s"),
        ("k8s", {"authMode": "AADToken"}, 400, "AADToken"),
        ("k8s", {"mirrorTraffic": {"blue": 10}}, 400, "cannot be mirrored"),
    ],
)
async def test_invalid_endpoints_are_refused(
    app: App, compute: str | None, changed: dict[str, Any], status: int, said: str
) -> None:
    answer = await put_endpoint(app, compute, **changed)

    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]
    assert (await app.arm.get("onlineEndpoints/digits")).status_code == 404


@pytest.mark.anyio
@pytest.mark.parametrize(("first", "then"), [("k8s", None), (None, "k8s")])
async def test_an_endpoints_compute_cannot_change(app: App, first: str | None, then: str | None) -> None:
    await wait_for(app, await put_endpoint(app, first))

    answer = await put_endpoint(app, then)

    assert answer.status_code == 400
    assert "cannot change" in answer.json()["error"]["message"]
    assert (await put_endpoint(app, first)).status_code == 201


def test_a_deployment_has_all_that_clients_read(cluster: Document) -> None:
    assert deployment_settings(DEFAULT, cluster) == {
        "instanceType": "defaultinstancetype",
        "containerResourceRequirements": {
            "containerResourceRequests": {"cpu": "100m", "memory": "2Gi", "gpu": None},
            "containerResourceLimits": {"cpu": "2", "memory": "2Gi", "gpu": None},
        },
        "scaleSettings": {"scaleType": "Default"},
    }


def test_a_deployments_container_resources_apply(cluster: Document) -> None:
    settings = deployment_settings(
        {
            "instanceType": "defaultinstancetype",
            "containerResourceRequirements": {"containerResourceLimits": {"cpu": "1", "gpu": "1", "memory": None}},
            "scaleSettings": {"scaleType": "TargetUtilization", "maxInstances": 3, "pollingInterval": None},
        },
        cluster,
    )

    requirements = settings["containerResourceRequirements"]
    assert requirements["containerResourceLimits"] == {"cpu": "1", "memory": "2Gi", "gpu": "1"}
    assert requirements["containerResourceRequests"]["cpu"] == "100m"
    assert settings["scaleSettings"] == {
        "scaleType": "TargetUtilization",
        "minInstances": 1,
        "maxInstances": 3,
        "pollingInterval": "PT1S",
        "targetUtilizationPercentage": 70,
    }


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"instanceType": "Standard_DS3_v2"}, "Big has no instance type 'Standard_DS3_v2': it has defaultinstancetype"),
        ({"scaleSettings": {"scaleType": "TargetUtilization", "pollingInterval": "1 s"}}, "1 s"),
        ({"containerResourceRequirements": "much"}, "containerResourceRequirements"),
    ],
)
def test_invalid_settings_are_refused(cluster: Document, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ArmError, match=said) as caught:
        deployment_settings({**DEFAULT, **changed}, cluster)

    assert caught.value.status == 400
