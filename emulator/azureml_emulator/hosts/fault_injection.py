"""Middleware that records requests and injects faults."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from azureml_emulator.arm.operations import Outcome, Status, forced_outcome
from azureml_emulator.host_names import MANAGEMENT_HOST
from azureml_emulator.hosts.errors import host_error
from azureml_emulator.machine.http_protocol import connection_of
from azureml_emulator.test_control.faults import (
    Answer,
    Delay,
    EndOperation,
    ExpireToken,
    Fault,
    FaultPlan,
    Hide,
    HoldOperation,
    Reset,
    Truncate,
)
from azureml_emulator.test_control.recording import Recorder
from azureml_emulator.tokens import Tokens

EXPIRED = "The token has expired."
NOT_SHOWN = "The resource was not found in the workspace."


class FaultInjection:
    """Middleware: record each request and apply the fault plan."""

    def __init__(self, app: ASGIApp, recorder: Recorder, plan: FaultPlan, tokens: Tokens, skipped_host: str) -> None:
        self._app = app
        self._recorder = recorder
        self._plan = plan
        self._tokens = tokens
        self._skipped_host = skipped_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless a fault hits it; skip the control API's own host."""
        if scope["type"] != "http" or Request(scope).url.hostname == self._skipped_host:
            await self._app(scope, receive, send)
            return
        url, headers = Request(scope).url, Request(scope).headers
        byte_range = headers.get("x-ms-range") or headers.get("range", "")
        record = self._recorder.record(scope["method"], url.hostname or "", scope["path"], url.query, byte_range)
        fault = self._plan.next(scope["method"], record.target)
        if fault is None and self._plan.hides(scope["method"], record.target):
            fault = Answer(status=404, code="UserError", message=NOT_SHOWN)
        record.fault = fault.kind if fault else None

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
            await send(message)

        if isinstance(fault, Hide):
            self._plan.hide(record.target, fault.reads)
        await self._answer(fault, scope, receive, watch)

    async def _answer(self, fault: Fault | None, scope: Scope, receive: Receive, send: Send) -> None:
        match fault:
            case Answer():
                await self._send_answer(fault, scope, receive, send)
            case Reset(after_effect=False):
                await _read_to_end(receive)
                connection_of(scope).reset()
                await _wait_for_disconnect(receive)
            case Reset():
                await self._app(scope, receive, _discard)
                connection_of(scope).drop()
                await _wait_for_disconnect(receive)
            case Truncate():
                await self._truncate(scope, receive, send)
            case Delay():
                await asyncio.sleep(fault.seconds)
                await self._app(scope, receive, send)
            case ExpireToken():
                await self._expire_token(scope, receive, send)
            case EndOperation():
                outcome = Outcome(Status(fault.status), fault.code, fault.message)
                await self._with_outcome(outcome, scope, receive, send)
            case HoldOperation():
                await self._with_outcome(Outcome(Status.IN_PROGRESS), scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _send_answer(self, fault: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.after_effect:
            await self._app(scope, receive, _discard)
        else:
            await _read_to_end(receive)
        if fault.body is None:
            host = Request(scope).url.hostname or ""
            response = host_error(host, fault.status, fault.code, fault.message, fault.headers)
        else:
            response = Response(fault.body, fault.status, dict(fault.headers))
        await response(scope, receive, send)

    async def _truncate(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: MutableMapping[str, Any] = {}
        body = bytearray()

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        await self._app(scope, receive, keep)
        # An empty body is announced as longer, too. HEAD has no body: only its connection closes.
        if scope["method"] != "HEAD":
            MutableHeaders(scope=start)["content-length"] = str(max(len(body), 1))
        await send(start)
        await send({"type": "http.response.body", "body": bytes(body[: len(body) // 2]), "more_body": True})
        connection_of(scope).drop()
        await _wait_for_disconnect(receive)

    async def _expire_token(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        self._tokens.revoke(request.headers.get("authorization", ""))
        if request.url.hostname == MANAGEMENT_HOST:
            await self._app(scope, receive, send)
            return
        await _read_to_end(receive)
        response = host_error(request.url.hostname or "", 401, "", EXPIRED, {"WWW-Authenticate": "Bearer"})
        await response(scope, receive, send)

    async def _with_outcome(self, outcome: Outcome, scope: Scope, receive: Receive, send: Send) -> None:
        reset = forced_outcome.set(outcome)
        try:
            await self._app(scope, receive, send)
        finally:
            forced_outcome.reset(reset)


async def _discard(_message: Message) -> None:
    """Drop a response."""


async def _read_to_end(receive: Receive) -> None:
    """Read the whole request body; otherwise a client may fail while it is sending."""
    while (await receive()).get("more_body"):
        pass


async def _wait_for_disconnect(receive: Receive) -> None:
    """Wait for the end of the connection; the server reports an earlier return."""
    while (await receive())["type"] != "http.disconnect":
        pass
