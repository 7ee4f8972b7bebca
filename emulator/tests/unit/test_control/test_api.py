from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from azureml_emulator.settings import Settings
from azureml_emulator.test_control.api import HOST
from azureml_emulator.test_control.behaviours import Behaviour
from azureml_emulator.test_control.faults import Answer, HoldOperation, Reset
from emulator_app import App
from endpoint_requests import deploy, operation_of, put_endpoint

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path, control=True, scoring="instant")


async def control(app: App, method: str, path: str, body: Any = None, token: str | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {app.context.settings.control_token if token is None else token}"}
    return await app.http.request(method, f"https://{HOST}{path}", json=body, headers=headers)


async def requests(app: App) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await control(app, "GET", "/requests")).json()["value"]
    return listed


@pytest.mark.parametrize("token", ["", "wrong", "\u00e9"])
async def test_the_control_api_needs_its_token(app: App, token: str) -> None:
    for method, path in (("GET", "/requests"), ("POST", "/reset"), ("PUT", "/faults"), ("GET", "/no/such/path")):
        headers = {"authorization": f"Bearer {token}".encode()}
        answer = await app.http.request(method, f"https://{HOST}{path}", headers=headers)
        assert answer.status_code == 401


async def test_reset_leaves_a_fresh_workspace(app: App) -> None:
    context = app.context
    before = (await app.arm.get("")).json()["properties"]["workspaceId"]
    computes, datastores = (await app.arm.get("computes")).json(), (await app.arm.get("datastores")).json()
    await operation_of(app, await put_endpoint(app))
    deploying = await deploy(app)
    await operation_of(app, deploying)
    await put_endpoint(app, "other")  # still under way
    blue = f"{context.settings.workspace_id}/onlineEndpoints/digits/deployments/blue"
    assert context.servers.find(blue)
    assert context.servers.log(blue).exists()
    context.behaviours.set([Behaviour(status=500)])
    context.faults.set([Reset(nth=100)])
    context.tokens.secret_expired = True
    context.metrics.record("/endpoint", "blue", 200, 200, 0.1)
    await context.blobs.write("https://account.blob.core.windows.net/a/b", b"content")

    assert (await control(app, "POST", "/reset")).status_code == 204

    assert (await requests(app), context.faults.faults, context.behaviours.behaviours) == ([], [], [])
    assert context.servers.find(blue) is None
    assert not context.servers.log(blue).exists()
    assert not context.tokens.secret_expired
    assert context.metrics.visible("/endpoint", 0, 2_000_000) == []
    assert await context.blobs.read("https://account.blob.core.windows.net/a/b") is None
    assert context.store.get_keys(f"{context.settings.workspace_id}/onlineEndpoints/digits") is None
    for path in ("models", "environments", "codes/score/versions", "onlineEndpoints"):
        assert (await app.arm.get(path)).json() == {"value": []}
    assert (await app.arm.get(deploying.headers["azure-asyncoperation"])).status_code == 404
    for path, built_in in (("computes", computes), ("datastores", datastores)):
        names = [resource["name"] for resource in (await app.arm.get(path)).json()["value"]]
        assert names == [resource["name"] for resource in built_in["value"]]
    assert (await app.arm.get("")).json()["properties"]["workspaceId"] != before
    # And it works: what was settling or under way is nobody's business any more.
    await operation_of(app, await put_endpoint(app, "other"))


async def test_recorded_requests_are_listed_with_their_result(app: App) -> None:
    workspace = app.context.settings.workspace_id
    await app.arm.get("models/none/versions/1")
    await app.arm.get(f"https://management.azure.com{workspace.upper()}/MODELS?api-version=1")
    app.context.faults.set([Answer(status=503)])
    await app.arm.put("models/a/versions/1", json={"properties": {"modelUri": "a"}})

    assert await requests(app) == [
        {
            "method": method,
            "target": f"management.azure.com{workspace}/{path}",
            "status": status,
            "fault": fault,
            "range": "",
        }
        for method, path, status, fault in (
            ("GET", "models/none/versions/1", 404, None),
            ("GET", "models", 200, None),
            ("PUT", "models/a/versions/1", 503, "answer"),
        )
    ]
    await control(app, "DELETE", "/requests")
    assert await requests(app) == []


async def test_faults_are_set_and_cleared(app: App) -> None:
    faults = [Answer(path="*/models", status=429, times=None), Reset(path="elsewhere/*")]

    answer = await control(app, "PUT", "/faults", {"value": [fault.to_dict() for fault in faults]})

    assert answer.status_code == 204
    assert app.context.faults.faults == faults
    assert (await app.arm.get("models")).status_code == 429
    await control(app, "PUT", "/faults", {"value": []})
    assert (await app.arm.get("models")).status_code == 200


@pytest.mark.parametrize("path", ["/faults", "/behaviours"])
@pytest.mark.parametrize("body", [None, {}, {"value": {}}, {"value": ["reset"]}, {"value": [{"kind": "explosion"}]}])
async def test_invalid_faults_and_behaviours_are_refused(app: App, path: str, body: Any) -> None:
    app.context.faults.set([Reset()])
    app.context.behaviours.set([Behaviour()])

    answer = await control(app, "PUT", path, body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UserError")
    assert (app.context.faults.faults, app.context.behaviours.behaviours) == ([Reset()], [Behaviour()])


async def test_a_held_operation_continues_when_released(app: App) -> None:
    app.context.faults.set([HoldOperation(method="PUT")])
    creating = await put_endpoint(app)
    for _ in range(3):
        for _ in range(50):
            await asyncio.sleep(0)
        status = (await app.arm.get(creating.headers["azure-asyncoperation"])).json()["status"]
        assert status == "Updating"
    assert (await put_endpoint(app)).status_code == 409

    await control(app, "POST", "/operations/release")

    assert (await operation_of(app, creating))["status"] == "Succeeded"


async def test_the_client_secret_expires(app: App) -> None:
    settings = app.context.settings
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "scope": "https://management.azure.com/.default",
    }
    url = f"https://login.microsoftonline.com/{settings.tenant_id}/oauth2/v2.0/token"
    assert (await app.http.post(url, data=form)).status_code == 200

    await control(app, "PUT", "/client-secret", {"expired": True})

    answer = await app.http.post(url, data=form)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.json()["error_codes"] == [7000222]
    await control(app, "PUT", "/client-secret", {"expired": False})
    assert (await app.http.post(url, data=form)).status_code == 200


async def test_denied_actions_are_replaced_and_reset(app: App) -> None:
    denied = ["Microsoft.MachineLearningServices/workspaces/read"]
    assert (await control(app, "PUT", "/denied-actions", {"value": denied})).status_code == 204
    assert (await app.arm.get("")).status_code == 403
    assert (await control(app, "PUT", "/denied-actions", {"value": [7]})).status_code == 400
    assert (await control(app, "PUT", "/denied-actions", {})).status_code == 400
    assert (await control(app, "POST", "/reset")).status_code == 204
    assert (await app.arm.get("")).status_code == 200
