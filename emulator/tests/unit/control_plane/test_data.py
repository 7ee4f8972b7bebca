from __future__ import annotations

import pytest

from emulator_app import App

pytestmark = pytest.mark.anyio

ASSET = {"dataUri": "azureml://datastores/workspaceblobstore/paths/in/", "dataType": "uri_folder"}


async def test_data_and_its_container_have_a_type(app: App) -> None:
    created = await app.arm.put("data/d/versions/1", json={"properties": ASSET})
    await app.arm.put("data/d/versions/2", json={"properties": ASSET})

    assert created.status_code == 201
    assert created.json()["type"] == "Microsoft.MachineLearningServices/workspaces/data/versions"
    container = (await app.arm.get("data")).json()["value"][0]["properties"]
    assert (container["dataType"], container["latestVersion"]) == ("uri_folder", "2")


async def test_where_data_is_cannot_change(app: App) -> None:
    await app.arm.put("data/d/versions/1", json={"properties": ASSET})

    refused = await app.arm.put("data/d/versions/1", json={"properties": {**ASSET, "dataUri": "azureml://x"}})

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "UserError")


@pytest.mark.parametrize("changed", [{"dataUri": None}, {"dataType": "odd"}, {"dataType": None}])
async def test_data_without_place_or_type_is_refused(app: App, changed: dict[str, object]) -> None:
    answer = await app.arm.put("data/d/versions/1", json={"properties": {**ASSET, **changed}})

    assert answer.status_code == 400
    assert (await app.arm.get("data/d")).status_code == 404
