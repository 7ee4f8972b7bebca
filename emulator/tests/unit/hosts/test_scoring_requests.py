from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from azureml_emulator.hosts.scoring_requests import choose_deployment
from emulator_app import App
from fake_servers import CLUSTER_URL, URL, FakeServer, ask, deployment, echo, serve


@pytest.mark.anyio
async def test_the_model_answers_whoever_has_a_key(app: App) -> None:
    await serve(app, echo)

    for key in ("first", "second"):
        answer = await ask(app, key)
        assert (answer.status_code, answer.json()) == (200, [1])
        assert answer.headers["azureml-model-deployment"] == "blue"
    for wrong in ("third", "", "fir", "first\u00e9"):
        assert (await app.http.post(URL, headers={"authorization": f"Bearer {wrong}".encode()})).status_code == 401
    assert (await app.http.post(f"{URL}/score")).status_code == 401


@pytest.mark.anyio
async def test_the_model_sees_neither_key_nor_host(app: App) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return echo(request)

    await serve(app, answer)
    await ask(app, **{"x-ms-client-request-id": "7"})

    assert "authorization" not in seen[0].headers
    assert seen[0].headers["x-ms-client-request-id"] == "7"
    assert seen[0].url.path == "/score"


@pytest.mark.anyio
async def test_no_body_is_read_without_authorization(app: App) -> None:
    await serve(app, echo)

    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x"

    answer = await app.http.post(f"{URL}/score", content=endless(), headers={"authorization": "Bearer guess"})

    assert read <= 1
    assert answer.status_code == 401


@pytest.mark.anyio
async def test_tokens_open_endpoints_of_their_mode(app: App) -> None:
    tokens = app.context.tokens
    await serve(app, echo, auth_mode="AADToken")
    assert (await ask(app, tokens.issue("https://ml.azure.com"))).status_code == 200
    assert (await ask(app, tokens.issue("https://management.azure.com"))).status_code == 401
    assert (await ask(app, "first")).status_code == 401

    await serve(app, echo, auth_mode="AMLToken")
    token = (await app.arm.post("onlineEndpoints/digits/token")).json()["accessToken"]
    assert (await ask(app, token)).status_code == 200
    app.clock.now += app.context.settings.token_seconds
    assert (await ask(app, token)).status_code == 401


@pytest.mark.anyio
@pytest.mark.parametrize("status", [400, 404, 500, 502])
async def test_a_failing_model_is_a_failed_dependency(app: App, status: int) -> None:
    await serve(app, lambda _request: httpx.Response(status, text="no luck"))

    answer = await ask(app)

    assert (answer.status_code, answer.text) == (424, "no luck")
    assert answer.headers["ms-azureml-model-error-statuscode"] == str(status)


@pytest.mark.anyio
@pytest.mark.parametrize(("error", "status"), [(httpx.ReadTimeout("slow"), 408), (httpx.ConnectError("gone"), 502)])
async def test_a_model_that_does_not_answer(app: App, error: httpx.TransportError, status: int) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise error

    await serve(app, answer)

    assert (await ask(app)).status_code == status


@pytest.mark.anyio
@pytest.mark.parametrize(("said", "passed_on"), [(200, 200), (400, 400), (404, 404), (500, 502)])
async def test_a_cluster_passes_on_what_the_model_says(app: App, said: int, passed_on: int) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(said, text="so it is")

    await serve(app, answer, url=CLUSTER_URL)
    headers = {"authorization": "Bearer first"}

    answered = await app.http.post(f"{CLUSTER_URL}/score", headers=headers)

    assert (answered.status_code, answered.text) == (passed_on, "so it is")
    assert asked == ["/score"]
    assert "ms-azureml-model-error-statuscode" not in answered.headers
    assert (await app.http.post(f"{CLUSTER_URL}/score")).status_code == 401
    elsewhere = [f"{URL}/score", f"{CLUSTER_URL}-other/score"]
    for url in elsewhere:
        assert (await app.http.post(url, headers=headers)).status_code == 404


@pytest.mark.anyio
async def test_a_model_on_a_cluster_that_is_too_slow(app: App) -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow")

    await serve(app, answer, url=CLUSTER_URL)

    assert (await app.http.post(f"{CLUSTER_URL}/score", headers={"authorization": "Bearer first"})).status_code == 504


@pytest.mark.anyio
async def test_traffic_or_header_selects_the_deployment(app: App) -> None:
    await serve(app, echo, traffic=0)

    assert (await ask(app)).status_code == 404
    assert (await ask(app, **{"azureml-model-deployment": "blue"})).status_code == 200
    assert (await ask(app, **{"azureml-model-deployment": "red"})).status_code == 404
    assert (await ask(app, **{"azureml-model-deployment": "silent"})).status_code == 503
    assert (await app.http.get(f"{URL}/")).text == "Healthy"
    assert (await app.http.get("https://none.eastus.inference.ml.azure.com/")).status_code == 404


def test_traffic_is_shared_by_percent() -> None:
    chosen = Counter(choose_deployment({"blue": 90, "green": 10, "red": 0}) for _ in range(2000))

    assert set(chosen) == {"blue", "green"}
    assert 1700 < chosen["blue"] < 1900
    assert choose_deployment({}) is None
    assert choose_deployment({"blue": 0}) is None


@pytest.mark.anyio
@pytest.mark.parametrize("goes", ["replaced", "deleted"])
async def test_a_server_that_is_stopped_finishes_its_requests(app: App, goes: str) -> None:
    asked, answering = asyncio.Event(), asyncio.Event()

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.set()
            await answering.wait()
            return echo(request)

    await serve(app, echo)
    server = FakeServer(echo)
    server.client = httpx.AsyncClient(transport=Slow(), base_url="http://inference")
    blue = f"{app.context.settings.workspace_id}/onlineEndpoints/digits/deployments/blue"
    await app.context.servers.replace(blue, server)
    answer = asyncio.create_task(ask(app))
    async with asyncio.timeout(10):
        await asked.wait()
        servers = app.context.servers
        end = servers.stop(blue) if goes == "deleted" else servers.replace(blue, FakeServer(echo))
        ending = asyncio.create_task(end)
        await asyncio.sleep(0)
        assert not server.client.is_closed
        # Nobody new is sent to it.
        assert (await ask(app)).status_code == (503 if goes == "deleted" else 200)
        answering.set()
        await ending

        assert (await answer).status_code == 200
        assert server.client.is_closed


@pytest.mark.anyio
async def test_traffic_is_read_when_the_body_has_arrived(app: App) -> None:
    await serve(app, echo)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"[1"
        # While the client is sending, its deployment goes.
        endpoint = app.context.store.get(f"{app.context.settings.workspace_id}/onlineEndpoints/digits")
        assert endpoint is not None
        app.context.store.set_properties(endpoint["id"], traffic={"green": 100})
        app.context.store.delete(f"{endpoint['id']}/deployments/blue")
        app.context.store.put(deployment(f"{endpoint['id']}/deployments/green"))
        await app.context.servers.replace(f"{endpoint['id']}/deployments/green", FakeServer(echo))
        yield b"]"

    answer = await app.http.post(f"{URL}/score", content=slowly(), headers={"authorization": "Bearer first"})

    assert (answer.status_code, answer.headers["azureml-model-deployment"]) == (200, "green")


@pytest.mark.anyio
@pytest.mark.parametrize(("url", "refused"), [(URL, 1), (CLUSTER_URL, 0)])
async def test_a_managed_deployment_refuses_more_requests_than_it_may_handle(app: App, url: str, refused: int) -> None:
    all_asked, answering = asyncio.Event(), asyncio.Event()
    asked = []

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request)
            if len(asked) == 17 - refused:
                all_asked.set()
            await answering.wait()
            return echo(request)

    await serve(app, echo, url=url)
    server = FakeServer(echo)
    server.client = httpx.AsyncClient(transport=Slow(), base_url="http://inference")
    blue = f"{app.context.settings.workspace_id}/onlineEndpoints/digits/deployments/blue"
    await app.context.servers.replace(blue, server)
    headers = {"authorization": "Bearer first"}
    # One instance with 8 concurrent requests handles twice as many.
    requests = [asyncio.create_task(app.http.post(f"{url}/score", json=[1], headers=headers)) for _ in range(17)]
    async with asyncio.timeout(10):
        await all_asked.wait()
        answering.set()
        statuses = Counter([(await request).status_code for request in requests])

    assert statuses == Counter({200: 17 - refused, 429: refused})
    assert (await app.http.post(f"{url}/score", json=[1], headers=headers)).status_code == 200
