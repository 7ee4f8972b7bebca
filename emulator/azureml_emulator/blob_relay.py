"""Blob requests by way of the app, where they are recorded and faults reach them; otherwise the proxy sends them on."""

from __future__ import annotations

import ssl

import httpx
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from azureml_emulator.certificates import Certificates

SECONDS = 60.0
# Of one connection each; the server sets its own date.
HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"expect", b"proxy-connection", b"date"}


class BlobRelay:
    """An ASGI app: passes requests on to Azurite as they are, so that their signatures stay valid."""

    def __init__(self, port: int, certificates: Certificates) -> None:
        self._port = port
        self._client = httpx.AsyncClient(
            verify=ssl.create_default_context(cafile=str(certificates.authority)),
            timeout=SECONDS,
            limits=httpx.Limits(max_connections=None, keepalive_expiry=1.0),
            trust_env=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back; neither is held in memory."""
        request = Request(scope, receive)
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        url = httpx.URL(scheme="https", host="127.0.0.1", port=self._port, raw_path=scope["raw_path"] + query)
        has_body = not {"content-length", "transfer-encoding"}.isdisjoint(request.headers)
        passed_on = httpx.Request(
            scope["method"], url, headers=_end_to_end(scope["headers"]), content=request.stream() if has_body else None
        )
        answer = await self._client.send(passed_on, stream=True)
        try:
            response = StreamingResponse(answer.aiter_raw(), answer.status_code)
            response.raw_headers = _end_to_end(answer.headers.raw)
            await response(scope, receive, send)
        finally:
            await answer.aclose()

    async def close(self) -> None:
        """End the connections to Azurite."""
        await self._client.aclose()


def _end_to_end(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name.lower() not in HOP_BY_HOP]
