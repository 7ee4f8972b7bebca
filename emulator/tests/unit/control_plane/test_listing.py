"""Pages, orders, views and filters of lists, tested with models."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from emulator_app import App

pytestmark = pytest.mark.anyio

MODEL = {"modelUri": "azureml://datastores/workspaceblobstore/paths/a", "modelType": "custom_model"}


async def register(app: App, version: str, **properties: Any) -> None:
    body = {"properties": {**MODEL, **properties}}
    (await app.arm.put(f"models/echo/versions/{version}", json=body)).raise_for_status()


async def pages(app: App, path: str, **query: str) -> list[list[str]]:
    """Follow nextLink to the end."""
    found = []
    answer = (await app.arm.get(path, params={"api-version": "2024-04-01", **query})).json()
    while True:
        found.append([resource["name"] for resource in answer["value"]])
        if "nextLink" not in answer:
            return found
        answer = (await app.arm.get(answer["nextLink"])).json()


async def names(app: App, **query: str) -> list[str]:
    return [name for page in await pages(app, "models/echo/versions", **query) for name in page]


async def test_a_long_list_comes_in_pages(app: App) -> None:
    for version in range(205):
        await register(app, str(version))

    found = await pages(app, "models/echo/versions")

    assert [len(page) for page in found] == [20] * 10 + [5]
    assert [name for page in found for name in page] == [str(version) for version in range(205)]


async def test_the_next_link_keeps_the_query(app: App) -> None:
    for version in range(3):
        await register(app, str(version), tags={"a": "b"})

    answer = await app.arm.get(
        "models/echo/versions?api-version=2024-04-01&count=2&tags=a%3Db&$orderBy=createdtime%20desc"
    )

    link = urlsplit(answer.json()["nextLink"])
    assert (link.scheme, link.netloc, link.path) == ("https", "management.azure.com", answer.request.url.path)
    assert parse_qs(link.query) == {
        "api-version": ["2024-04-01"],
        "count": ["2"],
        "tags": ["a=b"],
        "$orderBy": ["createdtime desc"],
        "$skipToken": [answer.json()["nextLink"].rpartition("$skipToken=")[2].replace("%3D", "=")],
    }
    assert "$orderBy=createdtime%20desc" in link.query


@pytest.mark.parametrize(
    ("query", "lengths"),
    [
        ({"count": "2"}, [2, 2, 1]),
        ({"count": "5"}, [5]),
        ({"$top": "1"}, [1, 1, 1, 1, 1]),
        ({"$top": "3"}, [3, 2]),
        ({"$top": "3", "count": "2"}, [3, 2]),
        ({"$top": "0"}, [5]),
        ({"$skip": "4"}, [1]),
        ({"$skip": "9"}, [0]),
    ],
)
async def test_how_long_pages_are(app: App, query: dict[str, str], lengths: list[int]) -> None:
    for version in range(5):
        await register(app, str(version))

    assert [len(page) for page in await pages(app, "models/echo/versions", **query)] == lengths


@pytest.mark.parametrize(("kind", "size"), [("models", 20), ("components", 50), ("data", 50), ("environments", 100)])
async def test_each_kind_has_its_page_size(app: App, kind: str, size: int) -> None:
    for number in range(size + 1):
        await app.arm.put(f"{kind}/more{number}", json={"properties": {}})

    assert [len(page) for page in await pages(app, kind)] == [size, 1]


async def test_datastores_come_in_the_contracts_pages(app: App) -> None:
    datastore = {"datastoreType": "AzureBlob", "accountName": "a", "containerName": "c"}
    for number in range(31):
        await app.arm.put(f"datastores/more{number}", json={"properties": datastore})

    assert [len(page) for page in await pages(app, "datastores")] == [30, 5]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("", ["10", "9", "blue", "1"]),
        ("createdtime", ["10", "9", "blue", "1"]),
        ("createdtime asc", ["10", "9", "blue", "1"]),
        ("CreatedTime DESC", ["1", "blue", "9", "10"]),
        ("version asc", ["1", "9", "10", "blue"]),
        ("version desc", ["blue", "10", "9", "1"]),
        ("modifiedtime asc", ["10", "blue", "1", "9"]),
        ("modifiedtime desc", ["9", "1", "blue", "10"]),
    ],
)
async def test_orders(app: App, order: str, expected: list[str]) -> None:
    for version in ("10", "9", "blue", "1", "9"):
        await register(app, version)

    assert await names(app, **{"$orderBy": order}) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"tags": "colour"}, ["1", "2"]),
        ({"tags": "colour=red"}, ["1"]),
        ({"tags": "colour=red,size"}, ["1"]),
        ({"tags": "colour=blue,size"}, []),
        ({"tags": "none"}, []),
        ({"properties": "run=r3"}, ["3"]),
        ({"version": "2"}, ["2"]),
        ({"description": "the second"}, ["2"]),
        ({"stage": "Production"}, ["3"]),
        ({"offset": "2"}, ["3"]),
        ({"listViewType": "All"}, ["1", "2", "3", "4"]),
        ({"listViewType": "archivedonly"}, ["4"]),
    ],
)
async def test_filters(app: App, query: dict[str, str], expected: list[str]) -> None:
    await register(app, "1", tags={"colour": "red", "size": "s"})
    await register(app, "2", tags={"colour": "blue"}, description="the second")
    await register(app, "3", properties={"run": "r3"}, stage="Production")
    await register(app, "4", isArchived=True)

    assert await names(app, **query) == expected


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"$top": "many"}, 400),
        ({"$top": "-1"}, 400),
        ({"$top": "1" * 5000}, 400),
        ({"$skip": "²"}, 400),
        ({"$skipToken": "²"}, 400),
        ({"$skipToken": "LTU="}, 400),
        ({"$skipToken": "OTk5OTk5OTk5OTk5"}, 400),
        ({"count": "1.5"}, 400),
        ({"offset": "x"}, 400),
        ({"$orderBy": "size"}, 400),
        ({"$orderBy": "version up"}, 400),
        ({"listViewType": "Some"}, 400),
        ({"feed": "azureml"}, 501),
    ],
)
async def test_an_invalid_query_is_refused(app: App, query: dict[str, str], status: int) -> None:
    await register(app, "1")

    answer = await app.arm.get("models/echo/versions", params=query)

    assert answer.status_code == status
    if status == 400:
        assert next(iter(query)) in answer.json()["error"]["message"]
