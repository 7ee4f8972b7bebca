from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest

from azureml_emulator.scoring.mirroring import choose_mirror

from .conftest import App
from .test_scoring import FakeServer, ask, echo, serve


def test_a_share_of_the_requests_is_mirrored() -> None:
    chosen = Counter(choose_mirror({"red": 0, "green": 30}) for _ in range(2000))

    assert set(chosen) == {None, "green"}
    assert 500 < chosen["green"] < 700
    assert choose_mirror({}) is None


class Shadow:
    """The mirrored deployment `silent`: what it was asked, and what holds it back."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.came = asyncio.Event()

    async def serve(self, app: App, status: int) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            self.asked.append(request.content)
            self.came.set()
            return httpx.Response(status)

        deployment = f"{app.parts.settings.workspace_id}/onlineEndpoints/digits/deployments/silent"
        await app.parts.servers.replace(deployment, FakeServer(answer))


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 500])
async def test_a_copy_goes_to_the_mirror_and_its_answer_nowhere(
    app: App, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)
    await serve(app, echo, mirror_traffic={"silent": 10})
    shadow = Shadow()
    await shadow.serve(app, status)

    answer = await ask(app)

    assert (answer.status_code, answer.json()) == (200, [1])
    assert answer.headers["azureml-model-deployment"] == "blue"
    async with asyncio.timeout(10):
        await shadow.came.wait()
    assert shadow.asked == [b"[1]"]


@pytest.mark.anyio
async def test_a_mirror_that_is_not_there_or_not_ready_hurts_nobody(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)
    for mirror in ("silent", "gone"):
        await serve(app, echo, mirror_traffic={mirror: 10})
        assert (await ask(app)).status_code == 200


@pytest.mark.anyio
async def test_nobody_waits_for_the_mirror(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)
    held = asyncio.Event()

    class Held(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            held.set()
            await asyncio.Event().wait()
            raise AssertionError(request)

    await serve(app, echo, mirror_traffic={"silent": 10})
    server = FakeServer(echo)
    server.client = httpx.AsyncClient(transport=Held(), base_url="http://inference")
    deployment = f"{app.parts.settings.workspace_id}/onlineEndpoints/digits/deployments/silent"
    await app.parts.servers.replace(deployment, server)

    async with asyncio.timeout(10):
        assert (await ask(app)).status_code == 200
        await held.wait()
        await app.parts.mirror.close()


@pytest.mark.anyio
async def test_what_is_aimed_at_a_deployment_is_not_mirrored(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)
    await serve(app, echo, mirror_traffic={"silent": 10})
    shadow = Shadow()
    await shadow.serve(app, 200)

    assert (await ask(app, **{"azureml-model-deployment": "blue"})).status_code == 200
    assert shadow.asked == []
    assert (await ask(app, **{"azureml-model-deployment": "silent"})).status_code == 200
    assert shadow.asked == [b"[1]"]
