from __future__ import annotations

import pytest

from emulator_app import App

pytestmark = pytest.mark.anyio

AZURE = "https://management.azure.com"
PROVIDER = "providers/Microsoft.MachineLearningServices/workspaces"


async def test_the_workspace_is_listed_in_subscription_and_group(app: App) -> None:
    settings = app.context.settings
    subscription = f"{AZURE}/subscriptions/{settings.subscription_id}"

    async def listed(url: str) -> list[str]:
        return [workspace["name"] for workspace in (await app.arm.get(url)).json()["value"]]

    assert await listed(f"{subscription}/{PROVIDER}") == ["local"]
    assert await listed(f"{subscription}/resourceGroups/LOCAL/{PROVIDER}?kind=Default") == ["local"]
    assert await listed(f"{subscription}/resourceGroups/local/{PROVIDER}?kind=Hub") == []
    assert await listed(f"{subscription}/resourceGroups/other/{PROVIDER}") == []
    assert await listed(f"{AZURE}/subscriptions/other/{PROVIDER}") == []


async def test_changes_that_are_allowed(app: App) -> None:
    before = (await app.arm.get("")).json()

    change = {"tags": {"team": "vision"}, "properties": {"description": "ours"}}
    accepted = await app.arm.patch("", json=change, params={"api-version": "1"})

    assert (accepted.status_code, accepted.content) == (202, b"")
    url = accepted.headers["azure-asyncoperation"]
    assert url == accepted.headers["location"]
    await app.context.operations.wait(url.rpartition("/")[2].partition("?")[0])
    assert (await app.arm.get(url)).json() == {"status": "Succeeded", "percentComplete": 100.0}
    assert (await app.arm.get(url.replace("?", "0?"))).status_code == 404
    answer = (await app.arm.get("")).json()
    assert (answer["tags"], answer["properties"]["description"]) == ({"team": "vision"}, "ours")
    assert answer["properties"]["friendlyName"] == "local"
    assert answer["systemData"]["createdAt"] == before["systemData"]["createdAt"]
    assert answer["systemData"]["lastModifiedAt"] > before["systemData"]["lastModifiedAt"]


async def test_keys(app: App) -> None:
    account = (await app.arm.get("")).json()["properties"]["storageAccount"]

    assert (await app.arm.post("listKeys")).json() == {"userStorageKey": "a2V5", "userStorageResourceId": account}
    assert (await app.arm.post("listStorageAccountKeys")).json() == {"userStorageKey": "a2V5"}


@pytest.mark.parametrize(("method", "name"), [("PUT", "second"), ("PUT", "local"), ("DELETE", "local")])
async def test_the_workspace_cannot_be_created_or_deleted(app: App, method: str, name: str) -> None:
    url = f"{AZURE}{app.context.settings.workspace_id}".removesuffix("local") + name

    answer = await app.arm.request(method, url, json={"location": "eastus", "properties": {}})

    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "NotImplementedByEmulator")
    assert "--state-dir" in answer.json()["error"]["message"]
