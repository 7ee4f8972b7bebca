from __future__ import annotations

import asyncio
from dataclasses import replace
from io import StringIO
from pathlib import Path

import httpx
import pytest
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from azureml_emulator.hosts.errors import host_error
from azureml_emulator.hosts.fault_injection import FaultInjection
from azureml_emulator.hosts.routes import build_app
from azureml_emulator.machine.http_protocol import EXTENSION
from azureml_emulator.settings import Settings
from azureml_emulator.store import EndpointKeys
from azureml_emulator.test_control.faults import (
    Answer,
    Delay,
    EndOperation,
    ExpireToken,
    Fault,
    FaultPlan,
    Hide,
    Reset,
    Truncate,
)
from azureml_emulator.test_control.recording import Recorder
from azureml_emulator.tokens import Tokens
from emulator_app import App
from endpoint_requests import deploy, operation_of, put_endpoint

pytestmark = pytest.mark.anyio
MODEL = {"properties": {"modelUri": "a"}}
BLOB = "https://account.blob.core.windows.net/c/a.bin"
SCORING = "https://digits.eastus.inference.ml.azure.com/score"
LOGIN = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path, control=True, scoring="instant")


async def test_an_answer_before_the_effect(app: App) -> None:
    app.context.faults.set([Answer(method="PUT", status=429, headers={"Retry-After": "7"})])

    answer = await app.arm.put("models/a/versions/1", json=MODEL)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"]["code"] == "TooManyRequests"
    assert (await app.arm.get("models/a/versions/1")).status_code == 404


async def test_an_answer_after_the_effect(app: App) -> None:
    app.context.faults.set([Answer(method="PUT", status=500, after_effect=True)])

    answer = await app.arm.put("models/a/versions/1", json=MODEL)

    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "InternalServerError")
    assert (await app.arm.get("models/a/versions/1")).status_code == 200


async def test_a_custom_response(app: App) -> None:
    app.context.faults.set([Answer(status=200, body="<html>", headers={"Content-Type": "text/html"})])

    answer = await app.arm.get("models")

    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "<html>", "text/html")


async def test_a_delayed_response(app: App) -> None:
    app.context.faults.set([Delay(seconds=0.01)])
    assert (await app.arm.get("models")).status_code == 200

    app.context.faults.set([Delay(method="PUT", seconds=600)])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await app.arm.put("models/a/versions/1", json=MODEL)

    assert (await app.arm.get("models/a/versions/1")).status_code == 404


async def test_an_expired_token_stays_expired_and_a_new_one_works(app: App) -> None:
    app.context.faults.set([ExpireToken()])

    for _ in range(2):
        answer = await app.arm.get("models")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "ExpiredAuthenticationToken")
        assert "login.microsoftonline.com" in answer.headers["www-authenticate"]

    app.arm.headers["authorization"] = f"Bearer {app.context.tokens.issue('https://management.azure.com')}"
    assert (await app.arm.get("models")).status_code == 200


async def test_a_key_is_refused_once(app: App) -> None:
    await operation_of(app, await put_endpoint(app))
    await operation_of(app, await deploy(app))
    await operation_of(app, await put_endpoint(app, traffic={"blue": 100}))
    app.context.store.put_keys(
        f"{app.context.settings.workspace_id}/onlineEndpoints/digits", EndpointKeys("one", "two")
    )
    app.context.faults.set([ExpireToken()])

    statuses = [
        (await app.http.post(SCORING, json=1, headers={"authorization": "Bearer one"})).status_code for _ in range(2)
    ]

    assert statuses == [401, 200]


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (
            EndOperation(method="PUT", path="*/deployments/*", code="ResourceNotReady", message="No."),
            "Failed",
            {"code": None, "message": "ResourceNotReady: No.", "details": [], "additionalInfo": []},
        ),
        (EndOperation(method="PUT", path="*/deployments/*", status="Canceled"), "Canceled", None),
    ],
)
async def test_an_operation_fails_or_is_canceled(app: App, fault: EndOperation, status: str, error: object) -> None:
    await operation_of(app, await put_endpoint(app))
    app.context.faults.set([fault])

    operation = await operation_of(app, await deploy(app))

    assert (operation["status"], operation.get("error")) == (status, error)
    deployment = (await app.arm.get("onlineEndpoints/digits/deployments/blue")).json()
    assert deployment["properties"]["provisioningState"] == status
    assert app.context.servers.find(deployment["id"]) is None
    # What has never been provisioned is not updated, but deleted and created again.
    assert (await deploy(app)).status_code == 400
    await operation_of(app, await app.arm.delete("onlineEndpoints/digits/deployments/blue"))
    assert (await operation_of(app, await deploy(app)))["status"] == "Succeeded"


async def test_a_hidden_resource_is_not_found_for_the_next_reads(app: App) -> None:
    app.context.faults.set([Hide(method="PUT", path="*/onlineEndpoints/digits", reads=2)])
    await operation_of(app, await put_endpoint(app))

    answers = [await app.arm.get("onlineEndpoints/Digits") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [404, 404, 200]
    assert answers[0].json()["error"]["code"] == "UserError"


async def test_a_new_plan_hides_nothing(app: App) -> None:
    app.context.faults.set([Hide(method="PUT", path="*/onlineEndpoints/digits")])
    await operation_of(app, await put_endpoint(app))
    app.context.faults.set([])

    assert (await app.arm.get("onlineEndpoints/digits")).status_code == 200


async def test_an_operation_fault_ignores_requests_that_start_none(app: App) -> None:
    app.context.faults.set([EndOperation(method="GET")])

    assert (await app.arm.get("models")).status_code == 200
    assert (await operation_of(app, await put_endpoint(app)))["status"] == "Succeeded"


async def test_an_operation_can_fail_without_changing_its_resource(app: App) -> None:
    await operation_of(app, await put_endpoint(app))
    app.context.faults.set([EndOperation(method="POST", path="*/regenerateKeys")])

    answer = await app.arm.post("onlineEndpoints/digits/regenerateKeys", json={"keyType": "Primary"})

    assert (await operation_of(app, answer))["status"] == "Failed"
    endpoint = (await app.arm.get("onlineEndpoints/digits")).json()
    assert endpoint["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.parametrize(
    ("url", "status", "code", "content_type"),
    [
        ("https://management.azure.com/x", 403, "AuthorizationFailed", "application/json"),
        (BLOB, 403, "AuthorizationPermissionMismatch", "application/xml"),
        (BLOB, 503, "ServerBusy", "application/xml"),
        (SCORING, 503, "ServiceUnavailable", "application/json"),
        (LOGIN, 401, "7000222", "application/json"),
        (LOGIN, 503, "90033", "application/json"),
    ],
)
async def test_errors_look_like_the_hosts_own(app: App, url: str, status: int, code: str, content_type: str) -> None:
    app.context.faults.set([Answer(status=status)])

    answer = await app.http.post(url, content=b"x" * 100_000)

    assert answer.status_code == status
    assert answer.headers["content-type"] == content_type
    assert code in answer.text
    if url == BLOB:
        assert answer.headers["x-ms-error-code"] == code


def test_an_unknown_status_is_an_error() -> None:
    assert host_error("management.azure.com", 599, "", "", {}).status_code == 599


class FakeConnection:
    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.how = ""

    def reset(self) -> None:
        self.how = "reset"
        self.ended.set()

    def drop(self) -> None:
        self.how = "drop"
        self.ended.set()


async def send_through(fault: Fault, settings: Settings, method: str, answer: Response) -> tuple[list[Message], str]:
    """Send a request through the middleware, over a connection that it can break."""
    plan = FaultPlan()
    plan.set([fault])
    recorder = Recorder()
    app = FaultInjection(answer, recorder, plan, Tokens(settings), skipped_host="control")
    connection = FakeConnection()
    body: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if body:
            return body.pop()
        await connection.ended.wait()
        return {"type": "http.disconnect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": method,
        "path": "/x",
        "query_string": b"",
        "headers": [(b"host", b"management.azure.com")],
        "extensions": {EXTENSION: connection},
    }
    async with asyncio.timeout(10):
        await app(scope, receive, send)
    assert recorder.requests[0].status == (sent[0]["status"] if sent else None)
    return sent, connection.how


@pytest.mark.parametrize(
    ("method", "answer", "promised", "sent"),
    [
        ("GET", PlainTextResponse("12345678"), "8", b"1234"),
        ("GET", PlainTextResponse("1"), "1", b""),
        ("PUT", Response(status_code=201), "1", b""),
        ("HEAD", Response(headers={"content-length": "8"}), "8", b""),
    ],
)
async def test_an_answer_is_cut_short(
    settings: Settings, method: str, answer: Response, promised: str, sent: bytes
) -> None:
    messages, how = await send_through(Truncate(), settings, method, answer)

    assert how == "drop"
    assert Headers(raw=messages[0]["headers"])["content-length"] == promised
    assert [(message["body"], message["more_body"]) for message in messages[1:]] == [(sent, True)]


@pytest.mark.parametrize(("after_effect", "how"), [(False, "reset"), (True, "drop")])
async def test_a_reset_gives_no_response(settings: Settings, after_effect: bool, how: str) -> None:
    done: list[str] = []

    class Effect(Response):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            done.append(scope["path"])
            await super().__call__(scope, receive, send)

    assert await send_through(Reset(after_effect=after_effect), settings, "PUT", Effect()) == ([], how)
    assert bool(done) is after_effect


async def test_without_control_nothing_is_recorded_or_hit(app: App, tmp_path: Path) -> None:
    context = replace(app.context, settings=Settings(state_dir=tmp_path))
    context.faults.set([Answer(status=503, times=None)])
    transport = httpx.ASGITransport(build_app(context, StringIO()))
    async with httpx.AsyncClient(transport=transport, headers=app.arm.headers) as client:
        answer = await client.get(f"{app.arm.base_url}models")
        control = await client.get("https://control.azureml-emulator.azureml.ms/requests")

    assert (answer.status_code, context.recorder.requests) == (200, [])
    assert control.status_code == 501
