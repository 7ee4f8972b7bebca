"""Operations as the service was recorded: headers, names, statuses and times."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from azureml_emulator.control_plane import batch_endpoints, computes, online_endpoints
from azureml_emulator.settings import Settings
from emulator_app import App
from endpoint_requests import put_endpoint, wait_for

pytestmark = pytest.mark.anyio
VERSION = "api-version=2024-04-01"
LOCATION = "https://management.azure.com/subscriptions/[^/]+/providers/[^/]+/locations/eastus"
GUID = "[0-9a-f-]{36}"


async def put(app: App, kind: str, **properties: Any) -> httpx.Response:
    return await app.arm.put(f"{kind}?{VERSION}", json={"properties": properties})


def hold(app: App, kind: str) -> asyncio.Event:
    """Let operations of a kind wait for an event."""
    released = asyncio.Event()

    async def work(_resource: str) -> None:
        await released.wait()

    app.context.operations.define(kind, work)
    return released


@pytest.mark.parametrize(("kind", "mode", "prefix"), [("online", "Key", "oe"), ("batch", "AADToken", "bebes")])
async def test_a_put_is_followed_at_its_status_and_ends_at_the_resource(
    app: App, kind: str, mode: str, prefix: str
) -> None:
    answer = await put(app, f"{kind}Endpoints/digits", authMode=mode)

    assert answer.status_code == 201
    status = re.escape(f"mfeOperationsStatus/{prefix}:") + f"{GUID}:{GUID}" + re.escape(f"?{VERSION}")
    assert re.fullmatch(f"{LOCATION}/{status}", answer.headers["azure-asyncoperation"])
    assert answer.headers["location"] == f"https://management.azure.com{answer.json()['id']}?{VERSION}"
    assert answer.headers["x-ms-async-operation-timeout"] == "PT30M"
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(("kind", "mode", "prefix"), [("online", "Key", "oe"), ("batch", "AADToken", "bebes")])
async def test_a_delete_has_no_body_and_ends_at_its_result(app: App, kind: str, mode: str, prefix: str) -> None:
    await wait_for(app, await put(app, f"{kind}Endpoints/digits", authMode=mode))

    answer = await app.arm.delete(f"{kind}Endpoints/digits?{VERSION}")

    assert (answer.status_code, answer.content) == (202, b"")
    name = answer.headers["azure-asyncoperation"].rpartition("/")[2].partition("?")[0]
    assert re.fullmatch(f"{LOCATION}/mfeOperationResults/{name}.*", answer.headers["location"])
    await wait_for(app, answer)
    result = (await app.arm.get(answer.headers["location"])).json()
    assert (result["name"], result["status"]) == (name, "Succeeded")
    assert result["id"].endswith(f"/locations/eastus/mfeOperationResults/{name}")
    assert (await app.arm.get(f"{kind}Endpoints/digits")).status_code == 404


async def test_an_online_operation_has_times(app: App) -> None:
    released = hold(app, online_endpoints.PUT)
    answer = await put_endpoint(app)
    url = answer.headers["azure-asyncoperation"]

    running = (await app.arm.get(url)).json()
    released.set()
    await wait_for(app, answer)
    ended = (await app.arm.get(url)).json()

    assert running == {
        "id": httpx.URL(url).path,
        "name": httpx.URL(url).path.rpartition("/")[2],
        "status": "Updating",
        "startTime": ended["startTime"],
        "endTime": "0001-01-01T00:00:00+00:00",
        "percentComplete": 0.0,
    }
    assert ended == {**running, "status": "Succeeded", "endTime": ended["endTime"], "percentComplete": 100.0}
    assert ended["endTime"] >= ended["startTime"]


async def test_a_batch_operation_has_no_times(app: App) -> None:
    released = hold(app, batch_endpoints.PUT)
    answer = await put(app, "batchEndpoints/digits", authMode="AADToken")
    url = answer.headers["azure-asyncoperation"]

    running = (await app.arm.get(url)).json()
    released.set()
    await wait_for(app, answer)

    assert (list(running), running["status"]) == (["id", "name", "status"], "Updating")
    assert (await app.arm.get(url)).json() == {**running, "status": "Succeeded"}


async def test_an_operation_on_a_compute_has_a_form_of_its_own(app: App) -> None:
    released = hold(app, computes.PUT)
    answer = await put(app, "computes/big", computeType="AmlCompute")

    url = answer.headers["azure-asyncoperation"]
    assert re.fullmatch(f"{LOCATION}/computeOperationsStatus/{GUID}" + re.escape(f"?{VERSION}&service=new"), url)
    assert not {"location", "retry-after", "x-ms-async-operation-timeout"} & answer.headers.keys()
    assert (await app.arm.get(url)).json() == {"status": "InProgress"}
    released.set()
    await wait_for(app, answer)
    assert (await app.arm.get(url)).json() == {"status": "Succeeded", "percentComplete": 100.0}


@pytest.mark.parametrize("path", ["mfeOperationsStatus/oe:w:none", "computeOperationsStatus/none"])
async def test_an_unknown_operation_is_not_found(app: App, path: str) -> None:
    subscription = app.context.settings.subscription_id
    base = f"https://management.azure.com/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices"
    assert (await app.arm.get(f"{base}/locations/eastus/{path}")).status_code == 404


class TestRetryAfter:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return Settings(state_dir=tmp_path, retry_after=3)

    async def test_a_pace_is_named_on_demand_while_an_operation_runs(self, app: App) -> None:
        released = hold(app, online_endpoints.PUT)
        answer = await put_endpoint(app)
        url = answer.headers["azure-asyncoperation"]

        assert answer.headers["retry-after"] == "3"
        assert (await app.arm.get(url)).headers["retry-after"] == "3"
        released.set()
        await wait_for(app, answer)
        assert "retry-after" not in (await app.arm.get(url)).headers
