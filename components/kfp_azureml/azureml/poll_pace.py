"""How often the SDK polls a long-running operation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy

from kfp_azureml.runtime.polling import pauses

LONGEST_SECONDS = 10.0

_OPERATION = re.compile(r"/\w*operation(s?status(es)?|results?)/", re.IGNORECASE)
_OF_SDK = "retry-after-ms"  # whole numbers, which any version of azure-core reads
_OF_SERVICE = ("retry-after", "x-ms-retry-after-ms", _OF_SDK)


class PollPace(SansIOHTTPPolicy[Any, Any]):
    """A pipeline policy that lets polls of an operation start fast and slow down.

    Azure ML names no pace, and the SDK then polls every 5 or 30 s. Where a response about an operation has no
    `Retry-After`, the policy adds one for the SDK's poller.
    """

    def __init__(self) -> None:
        self._pauses: dict[str, Iterator[float]] = {}

    def on_response(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> None:
        """Add a pace to a response about an operation, unless the service named one."""
        path = urlsplit(request.http_request.url).path
        headers = response.http_response.headers
        if not _OPERATION.search(path) or any(name in headers for name in _OF_SERVICE):
            return
        pause = next(self._pauses.setdefault(path, pauses(LONGEST_SECONDS)))
        headers[_OF_SDK] = str(round(pause * 1000))
