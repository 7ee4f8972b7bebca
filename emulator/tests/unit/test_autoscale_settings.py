from __future__ import annotations

from typing import Any

import pytest

from .conftest import App
from .test_online_endpoints import deploy, operation_of, put_endpoint, serve_at_once

pytestmark = pytest.mark.anyio
PROFILE = {"name": "night", "capacity": {"minimum": "1", "maximum": "3", "default": "1"}, "rules": []}


def url(app: App, name: str = "") -> str:
    group = app.parts.settings.workspace_id.split("/providers/")[0]
    return f"https://management.azure.com{group}/providers/Microsoft.Insights/autoscalesettings{name and f'/{name}'}"


def setting(**changed: Any) -> dict[str, Any]:
    properties = {"profiles": [PROFILE], "enabled": True, "targetResourceUri": "/a/deployment", **changed}
    return {"location": "eastus", "tags": {"a": "b"}, "properties": properties}


async def test_a_setting_is_kept_as_it_came(app: App) -> None:
    created = await app.arm.put(url(app, "nightly"), json=setting())
    replaced = await app.arm.put(url(app, "NIGHTLY"), json=setting(enabled=False))

    assert (created.status_code, replaced.status_code) == (201, 200)
    assert created.json() == {
        "id": url(app, "nightly").removeprefix("https://management.azure.com"),
        "name": "nightly",
        "type": "Microsoft.Insights/autoscaleSettings",
        **setting(name="nightly"),
    }
    assert (await app.arm.get(url(app, "nightly"))).json()["properties"]["enabled"] is False


async def test_settings_are_listed_and_deleted(app: App) -> None:
    for name in ("one", "two"):
        await app.arm.put(url(app, name), json=setting())

    lower = url(app).replace("resourceGroups", "resourcegroups").replace("autoscalesettings", "autoscaleSettings")
    assert [one["name"] for one in (await app.arm.get(lower)).json()["value"]] == ["one", "two"]
    assert [(await app.arm.delete(url(app, "one"))).status_code for _ in range(2)] == [200, 204]
    assert (await app.arm.get(url(app, "one"))).status_code == 404
    assert [one["name"] for one in (await app.arm.get(url(app))).json()["value"]] == ["two"]


async def test_a_setting_outlives_its_deployment(app: App) -> None:
    serve_at_once(app)
    await operation_of(app, await put_endpoint(app))
    target = (await deploy(app)).json()["id"]
    await app.arm.put(url(app, "one"), json=setting(targetResourceUri=target))
    await operation_of(app, await app.arm.delete("onlineEndpoints/digits"))

    assert (await app.arm.get(url(app, "one"))).json()["properties"]["targetResourceUri"] == target


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "properties"),
        ({"location": "eastus", "properties": {}}, "profiles"),
        ({"location": "eastus", "properties": {"profiles": []}}, "profiles"),
        ({"properties": {"profiles": [PROFILE]}}, "location"),
    ],
)
async def test_settings_that_cannot_be(app: App, body: dict[str, Any], said: str) -> None:
    answer = await app.arm.put(url(app, "one"), json=body)

    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_another_resource_group_is_not_there(app: App, method: str) -> None:
    other = url(app, "one").replace("/local/", "/other/")

    answer = await app.arm.request(method, other, json=setting())

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceGroupNotFound")
