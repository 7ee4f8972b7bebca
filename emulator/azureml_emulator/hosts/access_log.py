"""Middleware that writes the access log."""

from __future__ import annotations

import json
import time
from typing import TextIO

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from azureml_emulator.arm.resources import now

CLIENT_LENGTH = 200


class AccessLog:
    """Middleware: log one line per request, without query, body and secret headers."""

    def __init__(self, app: ASGIApp, file: TextIO) -> None:
        self._app = app
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and write its line."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            line = {
                "time": now(),
                "method": scope["method"],
                "host": Request(scope).url.hostname,
                "path": scope["path"],
                "client": Request(scope).headers.get("user-agent", "")[:CLIENT_LENGTH],
                "status": status,
                "milliseconds": round((time.perf_counter() - started) * 1000, 1),
            }
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
