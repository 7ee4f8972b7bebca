"""Recorded requests to the emulated hosts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from azureml_emulator.host_names import BLOB_HOST_SUFFIX

MAX_REQUESTS = 100_000
# The query tells which blob operation it is; the rest of it can hold signatures.
KEPT_QUERY = ("comp", "restype")
GENERATED_NAME = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
GLOB_SPECIAL = re.compile(r"([*?[])")


@dataclass
class RecordedRequest:
    """A request to an emulated host.

    Attributes:
        method: The HTTP method.
        target: Host and path, ARM paths in canonical case; for blob requests with `?comp=...`.
        status: The response status; None until there is one.
        fault: The kind of the fault that hit it, or None.
        range: The requested range, such as `bytes=0-99`; empty without one.
    """

    method: str
    target: str
    status: int | None = None
    fault: str | None = None
    range: str = ""

    @property
    def pattern(self) -> str:
        """A glob for the same request in other runs: `*` replaces generated ids."""
        return GENERATED_NAME.sub("*", GLOB_SPECIAL.sub(r"[\1]", self.target))

    def to_dict(self) -> dict[str, Any]:
        """Write it in the control API's form."""
        return asdict(self)


class Recorder:
    """Records requests; drops the oldest above `MAX_REQUESTS`."""

    def __init__(self) -> None:
        self._requests: list[RecordedRequest] = []

    @property
    def requests(self) -> Sequence[RecordedRequest]:
        """The requests, in order."""
        return self._requests

    def record(self, method: str, host: str, path: str, query: str, byte_range: str = "") -> RecordedRequest:
        """Record a request; return the record for the response to complete."""
        request = RecordedRequest(method, f"{host}{path}{_kept(host, query)}", range=byte_range)
        self._requests.append(request)
        if len(self._requests) > MAX_REQUESTS:
            del self._requests[: MAX_REQUESTS // 10]
        return request

    def clear(self) -> None:
        """Forget all requests."""
        self._requests.clear()


def _kept(host: str, query: str) -> str:
    if not host.endswith(BLOB_HOST_SUFFIX):
        return ""
    kept = sorted((name, value) for name, value in parse_qsl(query) if name in KEPT_QUERY)
    return f"?{urlencode(kept)}" if kept else ""
