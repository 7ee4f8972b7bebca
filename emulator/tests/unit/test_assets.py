from __future__ import annotations

from typing import Any

import httpx
import pytest

from .conftest import App

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
    assert model["properties"]["flavors"] == {}
    assert model["properties"]["isArchived"] is False
    assert model["properties"]["provisioningState"] == "Succeeded"
    assert (await app.arm.get("models/echo/versions/1")).json() == model


async def test_the_container_counts_versions(app: App) -> None:
    assert (await app.arm.get("models/echo")).status_code == 404
    for version in ("1", "7", "blue"):
        await put(app, f"models/echo/versions/{version}", **MODEL)

    container = (await app.arm.get("models/echo")).json()["properties"]

    assert (container["latestVersion"], container["nextVersion"]) == ("blue", "8")


async def test_a_container_may_come_first(app: App) -> None:
    answer = await put(app, "models/echo", description="an echo", tags={"a": "b"})

    assert answer.status_code == 201
    container = answer.json()["properties"]
    assert (container["latestVersion"], container["nextVersion"]) == (None, "1")
    await put(app, "models/echo/versions/1", **MODEL)
    container = (await app.arm.get("models/echo")).json()["properties"]
    assert (container["latestVersion"], container["nextVersion"]) == ("1", "2")
    assert (container["description"], container["tags"]) == ("an echo", {"a": "b"})


async def test_a_deleted_versions_number_is_not_given_again(app: App) -> None:
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
async def test_a_version_is_for_ever_but_its_tags_are_not(
    app: App, path: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert (await put(app, path, **first)).status_code == 201
    assert (await put(app, path, **first, tags={"a": "b"})).status_code == 200
    defaults = {"modelType": "custom_model"}
    said = {name: value for name, value in first.items() if defaults.get(name) != value}
    assert (await put(app, path, **said, tags={"a": "b"})).status_code == 200

    refused = await put(app, path, **second)

    assert refused.status_code == 409
    error = refused.json()["error"]
    assert error["code"] == "Conflict"
    assert error["target"].endswith(path)
    assert [detail["target"] for detail in error["details"]] == [name for name in first if first[name] != second[name]]
    now = (await app.arm.get(path)).json()["properties"]
    assert now["tags"] == {"a": "b"}
    assert {name: now[name] for name in first} == first


async def test_code_is_found_by_its_content_whatever_its_name(app: App) -> None:
    content = {"codeUri": "https://a/b", "properties": {"hash_sha256": "abc"}}
    await put(app, "codes/first/versions/1", **content)
    await put(app, "codes/second/versions/1", codeUri="https://a/c")

    found = (await app.arm.get("codes/third/versions", params={"hash": "abc", "hashVersion": "202208"})).json()["value"]

    assert [code["id"].rsplit("/", 3)[1] for code in found] == ["first"]
    assert await names(app, "codes/third/versions", hash="other") == []


async def test_an_upload_gets_a_container_of_its_own(app: App) -> None:
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
        ("codes/a/versions/1", {"codeUri": 1}),
        ("codes/a/versions/1", {"codeUri": "https://a/b", "properties": "x"}),
        ("models/a/versions/1", {**MODEL, "tags": ["x"]}),
        ("models/a/versions/1", {**MODEL, "description": 7}),
        ("models/a b", {}),
    ],
)
async def test_what_cannot_be_right_is_a_bad_request(app: App, path: str, properties: dict[str, Any]) -> None:
    answer = await put(app, path, **properties)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")
