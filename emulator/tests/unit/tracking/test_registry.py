"""MLflow's model registry and artifacts, backed by the workspace's models."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_app import App
from mlflow_api import Mlflow, by_key, error

pytestmark = pytest.mark.anyio


@pytest.fixture
def mlflow(app: App) -> Mlflow:
    return Mlflow(app)


def put_blobs(app: App, *names: str) -> None:
    for name in names:
        store = "workspaceartifactstore" if name.startswith("ExperimentRun/") else "workspaceblobstore"
        app.blobs.put(f"azureml://datastores/{store}/paths/{name}", "")


async def source_of_a_run(app: App, mlflow: Mlflow, path: str = "model") -> tuple[str, str]:
    run = await mlflow.run()
    put_blobs(app, f"ExperimentRun/dcid.{run}/{path}/MLmodel")
    return run, f"{(await mlflow.shown(run))['info']['artifact_uri']}/{path}"


async def version(mlflow: Mlflow, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await mlflow.post("model-versions/create", **body)).raise_for_status().json()
    return dict(answer["model_version"])


async def test_a_model_of_a_run_is_the_workspaces(app: App, mlflow: Mlflow) -> None:
    run, source = await source_of_a_run(app, mlflow)
    await mlflow.post("registered-models/create", name="digits", tags=[{"key": "a", "value": "b"}])

    created = await version(mlflow, name="digits", source=source, run_id=run, description="first")

    assert (created["version"], created["status"], created["source"]) == ("1", "READY", source)
    arm = (await app.arm.get("models/digits/versions/1")).json()["properties"]
    assert arm["modelUri"] == (
        f"azureml://subscriptions/{app.context.settings.subscription_id}/resourceGroups/local/workspaces/local"
        f"/datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{run}/model"
    )
    assert (arm["modelType"], arm["jobName"], arm["description"]) == ("mlflow_model", run, "first")
    assert (await app.arm.get("models/digits")).json()["properties"]["tags"] == {"a": "b"}
    model = (await mlflow.get("registered-models/get", name="digits")).json()["registered_model"]
    assert [each["version"] for each in model["latest_versions"]] == ["1"]
    uri = (await mlflow.get("model-versions/get-download-uri", name="digits", version="1")).json()
    assert uri == {"artifact_uri": f"azureml://artifacts/ExperimentRun/dcid.{run}/model"}


async def test_a_model_of_the_workspace_is_mlflows(app: App, mlflow: Mlflow) -> None:
    for number, path in (("1", "workspaceblobstore/paths/LocalUpload/abc/model"), ("2", "mine/paths/model")):
        body = {"properties": {"modelUri": f"azureml://datastores/{path}", "modelType": "mlflow_model"}}
        await app.arm.put(f"models/digits/versions/{number}", json=body)

    async def download_uri(number: str) -> Any:
        return await mlflow.get("model-versions/get-download-uri", name="digits", version=number)

    assert (await download_uri("1")).json() == {"artifact_uri": "azureml://artifacts/LocalUpload/abc/model"}
    assert error(await download_uri("2")) == (501, "NOT_IMPLEMENTED")
    shown = (await mlflow.get("model-versions/get", name="digits", version="2")).json()["model_version"]
    assert shown["source"].startswith("azureml://subscriptions/")
    assert shown["source"].endswith("/datastores/mine/paths/model")
    put_blobs(app, "LocalUpload/x/model/MLmodel")
    third = await version(mlflow, name="digits", source="azureml://artifacts/LocalUpload/x/model")
    assert (third["version"], third["source"]) == ("3", "azureml://artifacts/LocalUpload/x/model")


async def test_stages(app: App, mlflow: Mlflow) -> None:
    _, source = await source_of_a_run(app, mlflow)
    await mlflow.post("registered-models/create", name="digits")
    for _ in range(3):
        await version(mlflow, name="digits", source=source)

    async def move(number: str, stage: str, *, archive: bool) -> None:
        body = {"name": "digits", "version": number, "stage": stage, "archive_existing_versions": archive}
        (await mlflow.post("model-versions/transition-stage", **body)).raise_for_status()

    await move("1", "production", archive=True)
    await move("2", "Production", archive=True)
    latest = (await mlflow.post("registered-models/get-latest-versions", name="digits")).json()["model_versions"]

    assert {each["current_stage"]: each["version"] for each in latest} == {
        "Archived": "1",
        "Production": "2",
        "None": "3",
    }
    asked = await mlflow.post("registered-models/get-latest-versions", name="digits", stages=["Production"])
    assert [each["version"] for each in asked.json()["model_versions"]] == ["2"]
    listed = (await app.arm.get("models/digits/versions?stage=Production")).json()["value"]
    assert [each["name"] for each in listed] == ["2"]


async def test_search(app: App, mlflow: Mlflow) -> None:
    run, source = await source_of_a_run(app, mlflow)
    for name in ("digits", "letters"):
        await mlflow.post("registered-models/create", name=name)
        await version(mlflow, name=name, source=source, tags=[{"key": "for", "value": name}])
    await version(mlflow, name="digits", source=source)

    async def versions(text: str, **query: Any) -> list[tuple[str, str]]:
        answer = await mlflow.get("model-versions/search", filter=text, **query)
        return [(each["name"], each["version"]) for each in answer.raise_for_status().json()["model_versions"]]

    async def models(text: str, **query: Any) -> list[str]:
        answer = await mlflow.get("registered-models/search", filter=text, **query)
        return [each["name"] for each in answer.raise_for_status().json()["registered_models"]]

    assert await versions("name = 'digits'") == [("digits", "2"), ("digits", "1")]
    assert await versions(f"run_id = '{run}' and tags.for = 'letters'") == [("letters", "1")]
    assert await versions("", order_by=["name DESC", "version_number ASC"], max_results=2) == [
        ("letters", "1"),
        ("digits", "1"),
    ]
    assert await models("") == ["digits", "letters"]
    assert await models("name LIKE 'let%'") == ["letters"]
    assert await models("", max_results=1, page_token="1") == ["letters"]


async def test_descriptions_tags_and_deletes(app: App, mlflow: Mlflow) -> None:
    _, source = await source_of_a_run(app, mlflow)
    await mlflow.post("registered-models/create", name="digits")
    await version(mlflow, name="digits", source=source)

    async def ask(method: str, path: str, **body: Any) -> dict[str, Any]:
        url = f"{mlflow.url}/{path}"
        answer = await app.http.request(method, url, json={"name": "digits", **body}, headers=mlflow.headers)
        return dict(answer.raise_for_status().json())

    model = await ask("PATCH", "registered-models/update", description="all digits")
    first = await ask("PATCH", "model-versions/update", version="1", description="the first")
    await ask("POST", "registered-models/set-tag", key="a", value="b")
    await ask("POST", "model-versions/set-tag", version="1", key="c", value="d")

    assert model["registered_model"]["description"] == "all digits"
    assert first["model_version"]["description"] == "the first"
    shown = await ask("GET", "registered-models/get?name=digits")
    assert by_key(shown["registered_model"]["tags"]) == {"a": "b"}
    assert by_key(shown["registered_model"]["latest_versions"][0]["tags"]) == {"c": "d"}
    await ask("DELETE", "registered-models/delete-tag", key="a")
    await ask("DELETE", "model-versions/delete-tag", version="1", key="c")
    shown = await ask("GET", "registered-models/get?name=digits")
    assert (shown["registered_model"]["tags"], shown["registered_model"]["latest_versions"][0]["tags"]) == ([], [])
    await ask("DELETE", "model-versions/delete", version="1")
    assert (await ask("GET", "registered-models/get?name=digits"))["registered_model"]["latest_versions"] == []
    assert (await version(mlflow, name="digits", source=source))["version"] == "2"
    await ask("DELETE", "registered-models/delete")
    assert (await app.arm.get("models/digits/versions/2")).status_code == 404


async def test_refusals(app: App, mlflow: Mlflow) -> None:
    run, source = await source_of_a_run(app, mlflow)
    await mlflow.post("registered-models/create", name="digits")

    async def create(source: str, name: str = "digits") -> tuple[int, str]:
        return error(await mlflow.post("model-versions/create", name=name, source=source))

    assert error(await mlflow.post("registered-models/create", name="digits")) == (400, "RESOURCE_ALREADY_EXISTS")
    assert error(await mlflow.post("registered-models/create", name="a b")) == (400, "INVALID_PARAMETER_VALUE")
    assert await create(source, name="none") == (404, "RESOURCE_DOES_NOT_EXIST")
    assert await create(source.replace(run, "none")) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert await create(f"{source}s") == (400, "INVALID_PARAMETER_VALUE")
    assert await create("s3://bucket/model") == (400, "INVALID_PARAMETER_VALUE")
    assert await create("azureml://artifacts/Elsewhere/x/model") == (400, "INVALID_PARAMETER_VALUE")
    assert error(await mlflow.get("model-versions/get", name="digits", version="9")) == (404, "RESOURCE_DOES_NOT_EXIST")


async def test_artifacts_of_a_run_and_of_an_upload(app: App, mlflow: Mlflow) -> None:
    run = await mlflow.run()
    workspace = app.context.settings.workspace_id
    of_run = f"https://eastus.api.azureml.ms/history/v1.0{workspace}/experiments/any/runs/{run}/artifacts"
    of_upload = f"https://eastus.api.azureml.ms/artifact/v2.0{workspace}/artifacts/LocalUpload/x"

    for url, place, container in (
        (of_run, f"ExperimentRun/dcid.{run}", "azureml"),
        (of_upload, "LocalUpload/x", "azureml-blobstore"),
    ):
        paths = {"paths": [{"path": "model/a b.txt"}, {"path": "c"}]}
        new = (await app.http.post(f"{url}/batch/metadata", json=paths, headers=mlflow.headers)).json()
        address = f"https://account.blob.core.windows.net/{container}/{place}/model/a%20b.txt?sig={container}"
        assert new["artifactContentInformation"]["model/a b.txt"]["contentUri"] == address
        assert new["artifacts"]["c"]["artifactId"] == f"{place}/c"

        put_blobs(app, f"{place}/model/a b.txt", f"{place}0/neighbour")
        listed = (await app.http.get(url, headers=mlflow.headers)).json()["value"]
        assert [artifact["path"] for artifact in listed] == ["model/a b.txt"]
        there = await app.http.get(f"{url}/contentinfo", params={"path": "model/a b.txt"}, headers=mlflow.headers)
        assert there.json()["contentUri"] == address
        missing = await app.http.get(f"{url}/contentinfo", params={"path": "c"}, headers=mlflow.headers)
        assert missing.status_code == 404


@pytest.mark.parametrize(
    ("place", "body", "status"),
    [
        ("LocalUpload/x", {"paths": [{"path": "../../ExperimentRun/dcid.other/secret"}]}, 400),
        ("LocalUpload/x", {"paths": [{"path": "/etc/passwd"}]}, 400),
        ("LocalUpload/x", {"paths": [{"path": ""}]}, 400),
        ("LocalUpload/x", {"paths": ["a"]}, 400),
        ("LocalUpload/x", {}, 400),
        ("LocalUpload/..", {"paths": [{"path": "a"}]}, 404),
        ("Elsewhere/x", {"paths": [{"path": "a"}]}, 404),
    ],
)
async def test_artifacts_stay_where_they_belong(
    app: App, mlflow: Mlflow, place: str, body: dict[str, Any], status: int
) -> None:
    host = f"https://eastus.api.azureml.ms/artifact/v2.0{app.context.settings.workspace_id}"
    url = f"{host}/artifacts/{place.replace('..', '%2E%2E')}/batch/metadata"

    assert (await app.http.post(url, json=body, headers=mlflow.headers)).status_code == status


async def test_artifacts_of_an_unknown_run(app: App, mlflow: Mlflow) -> None:
    url = f"https://eastus.api.azureml.ms/history/v1.0{app.context.settings.workspace_id}/experiments/a/runs/none"

    assert (await app.http.get(f"{url}/artifacts", headers=mlflow.headers)).status_code == 404
