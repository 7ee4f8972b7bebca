"""Requests with bounded time and size, for APIs that Kubeflow's client does not cover."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kfp import Client

REQUEST_SECONDS = (5.0, 10.0)
"""Timeouts in seconds: to connect, and between two parts of the response."""
READ_SECONDS = 20.0
"""Timeout of a whole response in seconds; the part received until then is used."""
KEPT_BYTES = 1024 * 1024
"""Number of bytes kept from the end of a log."""
_CHUNK_BYTES = 64 * 1024
_OK = 200


@dataclass(frozen=True)
class BoundedRequests:
    """Sends requests to Kubeflow's server.

    Attributes:
        client: The connected client, whose URL, token, cookie and certificates are used.
    """

    client: Client

    @property
    def address(self) -> str:
        """The API's URL without a trailing slash."""
        return str(self._api.configuration.host)

    def get(self, url: str, **query: str) -> bytes:
        """Return the end of the response; empty if the request fails."""
        return self._request("GET", url, fields=query)

    def post(self, url: str, body: bytes, kind: str) -> bytes:
        """Return the end of the response to a body with a content type; empty if the request fails."""
        return self._request("POST", url, body=body, headers={"Content-Type": kind})

    @property
    def _api(self) -> Any:
        return self.client._run_api.api_client

    def _request(self, method: str, url: str, *, headers: dict[str, str] | None = None, **sent: Any) -> bytes:
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        headers = {**self._api.default_headers, **(headers or {})}
        if self._api.cookie:
            headers["Cookie"] = self._api.cookie
        self._api.update_params_for_auth(headers, [], ["Bearer"])
        timeout = Timeout(connect=REQUEST_SECONDS[0], read=REQUEST_SECONDS[1])
        pool = self._api.rest_client.pool_manager
        try:
            response = pool.request(method, url, headers=headers, timeout=timeout, preload_content=False, **sent)
            if response.status != _OK or "html" in response.headers.get("content-type", ""):  # a login page
                response.close()
                return b""
            return tail(response)
        except (HTTPError, OSError):  # OSError: the token file cannot be read
            return b""


def tail(response: Any, most: int = KEPT_BYTES) -> bytes:
    """Read a response for a bounded time, close it, and return its end.

    Args:
        response: A urllib3 response with `preload_content=False`.
        most: Maximum number of bytes to return.
    """
    deadline = time.monotonic() + READ_SECONDS
    kept: deque[bytes] = deque()
    size = 0
    try:
        while time.monotonic() < deadline and (chunk := response.read1(_CHUNK_BYTES)):
            kept.append(chunk)
            size += len(chunk)
            while size - len(kept[0]) >= most:
                size -= len(kept.popleft())
    finally:
        response.close()
    return b"".join(kept)[-most:]
