"""HTTPS without a network: a function responds to what `requests` sends, below azure-core."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from http_double import Request, Response


def answer_https(monkeypatch: pytest.MonkeyPatch, answer: Callable[[Request], Response | None]) -> None:
    """Respond to everything that this process sends with `requests`, until the test ends.

    Args:
        monkeypatch: Restores it.
        answer: Returns the response to a request; None drops the connection.
    """

    def send(adapter: HTTPAdapter, request: requests.PreparedRequest, **_options: Any) -> requests.Response:
        address = urlsplit(str(request.url))
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        asked = Request(
            str(request.method), address.path, parse_qs(address.query), request.headers, body, str(address.hostname)
        )
        response = answer(asked)
        if response is None:
            raise requests.ConnectionError("no route to host")
        raw = HTTPResponse(
            io.BytesIO(response.content),
            {"Content-Type": response.kind, "Content-Length": str(len(response.content)), **response.headers},
            response.status,
            preload_content=False,
            request_method=request.method,
        )
        return adapter.build_response(request, raw)

    monkeypatch.setattr(HTTPAdapter, "send", send)
