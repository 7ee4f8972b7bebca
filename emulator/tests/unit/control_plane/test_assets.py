from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from azureml_emulator.jobs.runs import Run
from emulator_app import App

pytestmark = pytest.mark.anyio

MODEL = {"modelUri": "azureml://datastores/workspaceblobstore/paths/a", "modelType": "custom_model"}
ENVIRONMENT = {"image": "an/image", "condaFile": "dependencies: []"}


async def put(app: App, path: str, **properties: Any) -> httpx.Response:
    return await app.arm.put(path, json={"properties": properties})


async def names(app: App, path: str, **query: str) -> list[str]:
    return [resource["name"] for resource in (await app.arm.get(path, params=query)).json()["value"]]


async def test_a_new_model_has_all_that_clients_read(app: App) -> None:
    answer = await put(app, "models/echo/versions/1", **MODEL)

    assert answer.status_code == 201
    model = answer.json()
    assert model["type"] == "Microsoft.MachineLearningServices/workspaces/models/versions"
    settings = app.context.settings
    assert model["properties"] == {
        "description": None,
        "tags": {},
        "properties": {},
        "isArchived": False,
        "isAnonymous": False,
        "autoDeleteSetting": None,
        "flavors": {},
        "modelType": "custom_model",
        "modelUri": f"azureml://subscriptions/{settings.subscription_id}/resourceGroups/local/workspaces/local/"
        "datastores/workspaceblobstore/paths/a",
        "jobName": None,
        "provisioningState": "Succeeded",
        "stage": "Development",
        "intellectualProperty": None,
    }
    assert (await app.arm.get("models/echo/versions/1")).json() == model
    address = f"https://management.azure.com{settings.workspace_id}/models/echo/versions/1"
    assert answer.headers["location"].partition("?")[0] == address


@pytest.mark.parametrize(
    ("uri", "where", "job"),
    [
        ("azureml://jobs/j1/outputs/artifacts", "workspaceartifactstore/paths/ExperimentRun/dcid.j1", "j1"),
        (
            "azureml://jobs/j1/outputs/artifacts/paths/a/b",
            "workspaceartifactstore/paths/ExperimentRun/dcid.j1/a/b",
            "j1",
        ),
        ("runs:/j1/a", "workspaceartifactstore/paths/ExperimentRun/dcid.j1/a", "j1"),
        ("azureml://jobs/j1/outputs/model/paths/m.pkl", "mine/paths/out/m.pkl", None),
        ("azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/mine/paths/a", "mine/paths/a", None),
    ],
)
async def test_a_models_location_is_written_in_full(app: App, uri: str, where: str, job: str | None) -> None:
    outputs = {"model": {"uri": "azureml://datastores/mine/paths/out/", "type": "uri_folder"}}
    app.context.runs.put(Run("j1", "Command", "e", outputs=outputs))

    model = (await put(app, "models/echo/versions/1", modelUri=uri)).json()["properties"]

    assert model["modelUri"].partition("/datastores/")[2] == where
    assert model["jobName"] == job
    for missing in (uri.replace("j1", "j2"), uri.replace("/model", "/none")):
        if missing != uri and "j" in missing:
            refused = await put(app, "models/echo/versions/2", modelUri=missing)
            assert refused.status_code == (201 if "subscriptions" in uri else 400)


@pytest.mark.parametrize(
    ("kind", "uri", "expected"),
    [
        ("uri_file", "azureml://datastores/d/paths/a", "{long}/datastores/d/paths/a"),
        ("uri_folder", "azureml://datastores/d/paths/a", "{long}/datastores/d/paths/a/"),
        ("mltable", "azureml://datastores/d/paths/a/", "{long}/datastores/d/paths/a/"),
        ("uri_folder", "https://example.org/a", "https://example.org/a"),
    ],
)
async def test_datas_location_is_written_in_full(app: App, kind: str, uri: str, expected: str) -> None:
    long = f"azureml://subscriptions/{app.context.settings.subscription_id}/resourcegroups/local/workspaces/local"

    data = (await put(app, "data/digits/versions/1", dataUri=uri, dataType=kind)).json()

    assert data["properties"]["dataUri"] == expected.format(long=long)
    assert "lastModifiedBy" not in data["systemData"]
    again = await put(app, "data/digits/versions/1", **data["properties"])
    assert (again.status_code, again.json()["properties"]) == (200, data["properties"])
    assert "lastModifiedBy" in again.json()["systemData"]


async def test_a_version_keeps_when_to_delete_it(app: App) -> None:
    setting = {"condition": "createdGreaterThan", "value": "30d"}
    data = {"dataUri": "https://example.org/a", "dataType": "uri_file"}
    for kind, properties in (("models", MODEL), ("environments", ENVIRONMENT), ("data", data)):
        await put(app, f"{kind}/a/versions/1", **properties, autoDeleteSetting=setting)

        kept = (await app.arm.get(f"{kind}/a/versions/1")).json()["properties"]

        assert kept["autoDeleteSetting"] == setting


async def test_an_environment_has_its_conda_file_as_json(app: App) -> None:
    first = await put(app, "environments/a/versions/1", **ENVIRONMENT, osType="linux")

    properties = first.json()["properties"]
    assert json.loads(properties["condaFile"]) == {"dependencies": []}
    assert (properties["osType"], properties["autoRebuild"], properties["stage"]) == (
        "Linux",
        "Disabled",
        "Development",
    )
    again = await put(app, "environments/a/versions/1", **properties)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["properties"] == properties
    built = (await put(app, "environments/b/versions/1", build={"contextUri": "https://a/b/"})).json()["properties"]
    assert (built["condaFile"], built["build"]["dockerfilePath"]) == ("", "Dockerfile")
    nulls = {"contextUri": "https://a/b/", "dockerfilePath": None}
    built = (await put(app, "environments/b/versions/2", build=nulls)).json()["properties"]
    assert built["build"]["dockerfilePath"] == "Dockerfile"


async def test_a_workspace_has_the_curated_environments(app: App) -> None:
    name = "AzureML-sklearn-1.0-ubuntu20.04-py38-cpu"

    found = (await app.arm.get(f"environments/{name}/versions/33")).json()
    (latest,) = (await app.arm.get(f"environments/{name}/versions", params={"$top": "1"})).json()["value"]

    assert found["id"] == f"{app.context.settings.workspace_id}/environments/{name}/versions/33"
    for environment in (found, latest):
        properties = environment["properties"]
        assert (properties["environmentType"], properties["condaFile"], properties["osType"]) == (
            "Curated",
            "",
            "Linux",
        )
        assert "image" not in properties
    assert (await app.arm.get(f"environments/{name[8:]}/versions/33")).status_code == 404
    assert (await app.arm.get("environments/AzureML-odd/versions/1")).status_code == 404

    await put(app, f"environments/{name}/versions/33", **ENVIRONMENT)

    own = (await app.arm.get(f"environments/{name}/versions/33")).json()
    assert own["properties"]["environmentType"] == "UserCreated"


async def test_what_is_anonymous_stays_so_and_has_its_own_stage(app: App) -> None:
    for kind, properties in (("models", MODEL), ("environments", ENVIRONMENT)):
        await put(app, f"{kind}/a/versions/1", **properties, isAnonymous=True)

        again = (await put(app, f"{kind}/a/versions/1", **properties, isAnonymous=False)).json()["properties"]

        assert (again["isAnonymous"], again["stage"]) == (True, "Logged")
    code = await put(app, "codes/a/versions/1", codeUri="https://a/b", isAnonymous=True)
    assert code.json()["properties"]["isAnonymous"] is False


async def test_a_stage_that_is_not_given_stays(app: App) -> None:
    await put(app, "models/a/versions/1", **MODEL, stage="Production")

    assert (await put(app, "models/a/versions/1", **MODEL)).json()["properties"]["stage"] == "Production"


async def test_the_container_counts_versions(app: App) -> None:
    assert (await app.arm.get("models/echo")).status_code == 404
    for version in ("1", "7", "blue"):
        await put(app, f"models/echo/versions/{version}", **MODEL)

    container = (await app.arm.get("models/echo")).json()["properties"]

    assert (container["latestVersion"], container["nextVersion"]) == ("blue", "8")


async def test_a_container_can_be_created_before_its_versions(app: App) -> None:
    answer = await put(app, "models/echo", description="an echo", tags={"a": "b"})

    assert answer.status_code == 201
    container = answer.json()["properties"]
    assert (container["latestVersion"], container["nextVersion"]) == (None, "1")
    await put(app, "models/echo/versions/1", **MODEL)
    container = (await app.arm.get("models/echo")).json()["properties"]
    assert (container["latestVersion"], container["nextVersion"]) == ("1", "2")
    assert (container["description"], container["tags"]) == ("an echo", {"a": "b"})


async def test_a_deleted_versions_number_is_not_reused(app: App) -> None:
    for version in ("1", "2"):
        await put(app, f"models/echo/versions/{version}", **MODEL)

    assert (await app.arm.delete("models/echo/versions/2")).status_code == 200
    assert (await app.arm.delete("models/echo/versions/2")).status_code == 204

    container = (await app.arm.get("models/echo")).json()["properties"]
    assert (container["latestVersion"], container["nextVersion"]) == ("1", "3")
    assert await names(app, "models/echo/versions") == ["1"]


async def test_a_deleted_container_takes_its_versions_along(app: App) -> None:
    for name in ("echo", "echo2"):
        await put(app, f"models/{name}/versions/1", **MODEL)

    assert (await app.arm.delete("models/echo")).status_code == 200

    assert (await app.arm.get("models/echo/versions/1")).status_code == 404
    assert await names(app, "models") == ["echo2"]


async def test_versions_are_listed_by_creation(app: App) -> None:
    for version in ("2", "1", "3"):
        await put(app, f"models/echo/versions/{version}", **MODEL)
    await put(app, "models/echo/versions/2", **MODEL, tags={"changed": "later"})

    assert await names(app, "models/echo/versions") == ["2", "1", "3"]
    assert await names(app, "models/echo/versions", **{"$orderBy": "createdtime desc", "$top": "1"}) == ["3"]
    assert await names(app, "environments/unknown/versions") == []


@pytest.mark.parametrize("path", ["models/unknown/versions", "models/unknown"])
async def test_an_unknown_model_has_no_list_of_versions(app: App, path: str) -> None:
    answer = await app.arm.get(path)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "UserError")
    assert [(below["code"], below["message"]) for below in error["details"]] == [
        ("ModelNotFound", "Model container with name: unknown not found.")
    ]


async def test_archived_versions_are_listed_only_when_asked_for(app: App) -> None:
    await put(app, "models/echo/versions/1", **MODEL)
    await put(app, "models/echo/versions/2", **MODEL, isArchived=True)

    assert await names(app, "models/echo/versions") == ["1"]
    assert await names(app, "models/echo/versions", listViewType="ArchivedOnly") == ["2"]
    assert await names(app, "models/echo/versions", listViewType="All") == ["1", "2"]


async def test_an_archived_container_is_not_listed(app: App) -> None:
    await put(app, "models/echo/versions/1", **MODEL)

    answer = await put(app, "models/echo", isArchived=True)

    assert answer.json()["properties"]["nextVersion"] == "2"
    assert await names(app, "models") == []
    assert await names(app, "models", listViewType="All") == ["echo"]


@pytest.mark.parametrize(
    ("path", "first", "second"),
    [
        ("models/a/versions/1", MODEL, {**MODEL, "modelUri": "azureml://datastores/workspaceblobstore/paths/b"}),
        ("environments/a/versions/1", ENVIRONMENT, {**ENVIRONMENT, "image": "another/image"}),
        ("environments/a/versions/1", ENVIRONMENT, {**ENVIRONMENT, "condaFile": "dependencies: [python]"}),
        ("codes/a/versions/1", {"codeUri": "https://a/b"}, {"codeUri": "https://a/c"}),
    ],
)
async def test_a_versions_content_cannot_change_but_its_tags_can(
    app: App, path: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert (await put(app, path, **first)).status_code == 201
    again = 201 if path.startswith("environments") else 200
    assert (await put(app, path, **first, tags={"a": "b"})).status_code == again
    defaults = {"modelType": "custom_model"}
    said = {name: value for name, value in first.items() if defaults.get(name) != value}
    before = await put(app, path, **said, tags={"a": "b"})
    assert before.status_code == again

    refused = await put(app, path, **second)

    assert refused.status_code == 400
    error = refused.json()["error"]
    assert error["code"] == "UserError"
    changed = ", ".join(name for name in first if first[name] != second[name])
    assert f"{path.replace('/', ' ', 1).replace('/versions/', ':')} is already" in error["message"]
    assert f"{changed} cannot change" in error["message"]
    now = (await app.arm.get(path)).json()["properties"]
    assert now == before.json()["properties"]
    assert now["tags"] == {"a": "b"}


async def test_code_is_found_by_its_content_whatever_its_name(app: App) -> None:
    content = {"codeUri": "https://a/b", "properties": {"hash_sha256": "abc"}}
    await put(app, "codes/first/versions/1", **content)
    await put(app, "codes/second/versions/1", codeUri="https://a/c")

    found = (await app.arm.get("codes/third/versions", params={"hash": "abc", "hashVersion": "202208"})).json()["value"]

    assert [code["id"].rsplit("/", 3)[1] for code in found] == ["first"]
    assert await names(app, "codes/third/versions", hash="other") == []


async def test_an_upload_gets_its_own_container(app: App) -> None:
    uploads = [(await app.arm.post("codes/a/versions/1/startPendingUpload", json={})).json() for _ in range(2)]

    uris = [upload["blobReferenceForConsumption"]["blobUri"] for upload in uploads]
    assert len(set(uris)) == 2
    assert uploads[0]["blobReferenceForConsumption"]["credential"]["sasUri"].startswith(f"{uris[0]}?sig=")


@pytest.mark.parametrize(
    ("path", "properties"),
    [
        ("models/a/versions/1", {}),
        ("models/a b/versions/1", MODEL),
        ("models/a/versions/..%20", MODEL),
        ("environments/a/versions/1", {"condaFile": "x"}),
        ("environments/a/versions/1", {"image": "i", "condaFile": "a: [b"}),
        ("environments/a/versions/1", {"image": "i", "condaFile": ["b"]}),
        ("codes/a/versions/1", {"codeUri": 1}),
        ("codes/a/versions/1", {"codeUri": "https://a/b", "properties": "x"}),
        ("models/a/versions/1", {**MODEL, "tags": ["x"]}),
        ("models/a/versions/1", {**MODEL, "description": 7}),
        ("models/a b", {}),
    ],
)
async def test_invalid_input_is_a_bad_request(app: App, path: str, properties: dict[str, Any]) -> None:
    answer = await put(app, path, **properties)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UserError")
