from __future__ import annotations

from typing import Any

import httpx
import pytest

from emulator_app import App
from endpoint_requests import wait_for
from job_requests import submit

pytestmark = pytest.mark.anyio


async def put(app: App, name: str, kind: str, **settings: Any) -> httpx.Response:
    body = {"location": "westus", "tags": {"a": "b"}, "properties": {"computeType": kind, "properties": settings}}
    return await app.arm.put(f"computes/{name}", json=body)


async def finish(app: App, answer: httpx.Response) -> None:
    assert answer.is_success, answer.text
    await wait_for(app, answer)


async def test_a_cluster_shows_who_signs_in_but_no_secrets(app: App) -> None:
    login = {"adminUserName": "azureuser", "adminUserPassword": "secret", "adminUserSshPublicKey": "ssh-rsa A"}
    await finish(app, await put(app, "big", "AmlCompute", userAccountCredentials=login))
    await finish(app, await put(app, "big", "AmlCompute", scaleSettings={"maxNodeCount": 4}))

    settings = (await app.arm.get("computes/big")).json()["properties"]["properties"]

    assert settings["userAccountCredentials"] == {"adminUserName": "azureuser"}


async def test_a_cluster_is_created_changed_and_deleted(app: App) -> None:
    created = await put(app, "big", "AmlCompute", vmSize="STANDARD_DS3_V2", scaleSettings={"maxNodeCount": 4})
    assert (created.status_code, created.json()["properties"]["provisioningState"]) == (201, "Creating")
    assert created.json()["properties"]["properties"]["allocationState"] is None
    await finish(app, created)
    assert (await submit(app, "on-big", command="true", computeId="big")).status_code == 201

    changed = await put(app, "big", "AmlCompute", scaleSettings={"minNodeCount": 1, "maxNodeCount": 4})
    assert (changed.status_code, changed.json()["properties"]["provisioningState"]) == (201, "Creating")
    await finish(app, changed)

    cluster = (await app.arm.get("computes/big")).json()
    assert (cluster["location"], cluster["tags"]) == ("westus", {"a": "b"})
    assert cluster["properties"]["provisioningState"] == "Succeeded"
    settings = cluster["properties"]["properties"]
    assert (settings["vmSize"], settings["scaleSettings"]["minNodeCount"]) == ("STANDARD_DS3_V2", 1)
    assert (settings["allocationState"], settings["vmPriority"], settings["errors"]) == ("Steady", "Dedicated", None)
    dates = [properties["createdOn"] for properties in (created.json()["properties"], cluster["properties"])]
    assert dates[0] == dates[1] < cluster["properties"]["modifiedOn"]
    assert "systemData" not in cluster
    assert (await app.arm.post("computes/big/listNodes")).json() == {
        "computeType": "AmlCompute",
        "nodes": [
            {
                "nodeId": "big-0",
                "port": 50000,
                "publicIpAddress": None,
                "privateIpAddress": None,
                "nodeState": "idle",
            }
        ],
    }

    await finish(app, await app.arm.delete("computes/big", params={"underlyingResourceAction": "Delete"}))

    assert (await app.arm.get("computes/big")).status_code == 404
    assert (await app.arm.delete("computes/big")).status_code == 204
    assert (await submit(app, "on-nothing", command="true", computeId="big")).status_code == 400


async def test_an_instance_is_stopped_and_started(app: App) -> None:
    async def state() -> str:
        instance = (await app.arm.get("computes/mine")).json()
        return str(instance["properties"]["properties"]["state"])

    created = await put(app, "mine", "ComputeInstance", vmSize="Standard_DS3_v2")
    assert created.json()["properties"]["properties"]["state"] is None
    await finish(app, created)
    assert await state() == "Running"

    for action, expected in (("stop", "Stopped"), ("start", "Running"), ("restart", "Running")):
        await finish(app, await app.arm.post(f"computes/mine/{action}"))
        assert await state() == expected


async def test_a_kubernetes_cluster_can_be_attached(app: App) -> None:
    await finish(app, await put(app, "other", "Kubernetes", namespace="team"))

    properties = (await app.arm.get("computes/other")).json()["properties"]
    assert properties["properties"]["namespace"] == "team"
    assert (properties["isAttachedCompute"], properties["provisioningState"]) == (True, "Succeeded")


@pytest.mark.parametrize(
    ("name", "kind", "asked", "status"),
    [
        ("a b", "AmlCompute", {}, 400),
        ("1", "AmlCompute", {}, 400),
        ("big", "Databricks", {}, 501),
        ("big", "AmlCompute", {"vmSize": "Standard_None"}, 400),
        ("big", "AmlCompute", {"scaleSettings": {"minNodeCount": 3, "maxNodeCount": 2}}, 400),
        ("big", "AmlCompute", {"scaleSettings": {"maxNodeCount": "many"}}, 400),
        ("big", "AmlCompute", {"scaleSettings": {"nodeIdleTimeBeforeScaleDown": "soon"}}, 400),
        ("cpu-cluster", "ComputeInstance", {}, 400),
        ("cpu-cluster", "Kubernetes", {}, 400),
    ],
)
async def test_invalid_input_is_refused(app: App, name: str, kind: str, asked: dict[str, Any], status: int) -> None:
    assert (await put(app, name, kind, **asked)).status_code == status
    assert (await app.arm.get("computes/cpu-cluster")).json()["properties"]["computeType"] == "AmlCompute"


@pytest.mark.parametrize("action", ["stop", "start", "restart"])
async def test_only_instances_are_stopped(app: App, action: str) -> None:
    assert (await app.arm.post(f"computes/cpu-cluster/{action}")).status_code == 400
    assert (await app.arm.post("computes/k8s/listNodes")).status_code == 400
    assert (await app.arm.post(f"computes/none/{action}")).status_code == 404


async def test_sizes_and_usage_are_listed(app: App) -> None:
    subscription = app.context.settings.subscription_id
    base = f"https://management.azure.com/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices"
    await finish(app, await put(app, "big", "AmlCompute", scaleSettings={"minNodeCount": 3, "maxNodeCount": 3}))
    await finish(app, await put(app, "mine", "ComputeInstance", vmSize="Standard_D2s_v3"))

    sizes = (await app.arm.get(f"{base}/locations/eastus/vmSizes")).json()["value"]
    usages = (await app.arm.get(f"{base}/locations/eastus/usages")).json()["value"]

    assert "Standard_DS3_v2" in [size["name"] for size in sizes]
    used = {usage["name"]["value"]: usage["currentValue"] for usage in usages}
    assert (used["standardDSv2Family"], used["standardDSv3Family"]) == (12, 2)
