from __future__ import annotations

import pytest

from emulator_app import App
from job_requests import get_run, run

pytestmark = pytest.mark.anyio

DATA_PLANE = "https://eastus.api.azureml.ms"
OUTPUT = {"jobOutputType": "uri_folder"}


async def test_discovery_needs_no_token(app: App) -> None:
    found = (await app.http.get(f"{DATA_PLANE}/discovery")).json()

    assert (found["api"], found["history"]) == (DATA_PLANE, DATA_PLANE)


async def test_the_run_history_needs_a_token(app: App) -> None:
    workspace = app.context.settings.workspace_id
    for path in (f"/history/v1.0{workspace}/runs/x", f"/data/v1.0{workspace}/dataversion/batchGetResolvedUris", "/x"):
        assert (await app.http.get(f"{DATA_PLANE}{path}")).status_code == 401


async def test_the_ids_of_outputs_lead_to_their_places(app: App) -> None:
    await run(
        app,
        "some_job",
        command="echo x > ${{outputs.the_data}}/x; echo x > ${{outputs.the_model}}/x",
        outputs={"the_data": OUTPUT, "the_model": {"jobOutputType": "custom_model"}},
    )
    answer = await app.data_plane.post("rundata", json={"runId": "some_job", "selectRunMetadata": True})
    outputs = answer.json()["runMetadata"]["outputs"]
    # In the words of the run history, which are not those of jobs.
    assert {name: output["type"] for name, output in outputs.items()} == {
        "the_data": "UriFolder",
        "the_model": "CustomModel",
    }
    workspace = app.context.settings.workspace_id
    data, model = outputs["the_data"]["assetId"], outputs["the_model"]["assetId"]

    async def resolved(path: str, *ids: str) -> dict[str, dict[str, str]]:
        url = f"{DATA_PLANE}{path.format(workspace)}/batchGetResolvedUris"
        found: dict[str, dict[str, str]] = (await app.data_plane.post(url, json={"values": ids})).json()["values"]
        return found

    place = "azureml://datastores/workspaceblobstore/paths/azureml/some_job/{}/"
    assert await resolved("/data/v1.0{}/dataversion", data, "azureml://unknown") == {
        data: {"uri": place.format("the_data"), "type": "UriFolder"}
    }
    assert await resolved("/modelregistry/v1.0{}/models", model) == {
        model: {"path": place.format("the_model"), "type": "CustomModel"}
    }


@pytest.mark.parametrize("scope", ["", "experiments/Default/", "experimentids/any/"])
async def test_names_tags_and_properties_change(app: App, scope: str) -> None:
    await run(app, "job1", command="true", tags={"a": "1"}, properties={"p": "1"})

    await app.data_plane.patch(
        f"{scope}runs/job1",
        json={"displayName": "new", "hidden": True, "tags": {"b": "2"}, "properties": {"q": "2"}},
    )

    changed = await get_run(app, "job1")
    assert (changed["displayName"], changed["hidden"]) == ("new", True)
    assert changed["tags"] == {"a": "1", "b": "2"}
    assert {"p": "1", "q": "2"}.items() <= changed["properties"].items()
    job = (await app.arm.get("jobs/job1")).json()["properties"]
    assert (job["displayName"], job["isArchived"], job["tags"]) == ("new", True, {"a": "1", "b": "2"})


@pytest.mark.parametrize("path", ["runs/none", "runs/none/details", "runs/none/children"])
async def test_unknown_runs_are_not_found(app: App, path: str) -> None:
    answer = await app.data_plane.get(path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "UserError")


async def test_an_experiment_has_one_id(app: App) -> None:
    ids = [
        (await run(app, name, command="true", experimentName=e))["experimentId"]
        for name, e in (("a", "x"), ("b", "X"), ("c", "y"))
    ]

    assert ids[0] == ids[1] != ids[2]
