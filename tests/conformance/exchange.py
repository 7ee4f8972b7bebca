"""Requests and the service's answers: recorded ones, and those of the emulator."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MANAGEMENT = "management.azure.com"
WORKSPACE = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/workspaces/[^/]+", re.IGNORECASE)
# Path segments whose next segment is a name, and what stands for that name.
NAMED = {
    **dict.fromkeys(("onlineEndpoints", "batchEndpoints"), "{endpoint}"),
    **dict.fromkeys(("mfeOperationsStatus", "mfeOperationResults", "computeOperationsStatus"), "{operation}"),
    **dict.fromkeys(("models", "codes", "environments", "data", "components", "schedules", "connections"), "{name}"),
    **dict.fromkeys(("featuresets", "features", "outboundRules", "capabilityHosts", "tempdatarefs"), "{name}"),
    "registryOperationsStatus": "{operation}",
    "workspaceOperationsStatus": "{operation}",
    "operations": "{operation}",
    "subscriptions": "{subscription}",
    "resourceGroups": "{group}",
    "workspaces": "{workspace}",
    "registries": "{registry}",
    "deployments": "{deployment}",
    "versions": "{version}",
    "datastores": "{datastore}",
    "computes": "{compute}",
    "locations": "{location}",
    "jobs": "{job}",
}
SPELLING = {name.lower(): name for name in NAMED}
HOSTS = (
    (re.compile(r"[^.]+\.api\.azureml(-test)?\.ms"), "{region}.api.azureml.ms"),
    (re.compile(r"[^.]+\.[^.]+\.inference\.ml\.azure\.com"), "{endpoint}.{region}.inference.ml.azure.com"),
    (re.compile(r"(cert-)?[^.]+\.experiments\.azureml(-test)?\.net"), "{region}.experiments.azureml.net"),
)


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        method: The HTTP method.
        host: The host, with `{region}` and `{endpoint}` for those parts.
        path: The path, with names in braces: `/{workspace}/models/{name}`.
        status: The HTTP status.
        headers: The answer's headers, by lower-case name.
        body: The answer's JSON, or its text; None if it is empty.
        year: The year in which it was recorded.
        times: How often it was recorded.
        operation_kind: The kind in an operation's id, such as `oe`; empty elsewhere.
    """

    method: str
    host: str
    path: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    year: int = 0
    times: int = 1
    operation_kind: str = ""

    @property
    def operation(self) -> str:
        """The method, the host unless it is Resource Manager's, and the path; the workspace's id is `WS`."""
        host = "" if self.host == MANAGEMENT else self.host
        return f"{self.method} {host}{WORKSPACE.sub('WS', self.path)}"


def generalised(path: str) -> str:
    """Return a path with braces instead of names, in the contract's spelling."""
    segments = path.split("/")
    for index, segment in enumerate(segments):
        known = SPELLING.get(segment.lower())
        if known:
            segments[index] = known
            if index + 1 < len(segments):
                segments[index + 1] = NAMED[known]
    return "/".join(segments)


def exchange(
    method: str, url: str, status: int, headers: Mapping[str, str], body: Any, *, year: int = 0, times: int = 1
) -> Exchange:
    """Return an exchange from a request's URL and its answer."""
    parts = urlsplit(url)
    host = next((name for pattern, name in HOSTS if pattern.fullmatch(parts.netloc)), parts.netloc)
    lower = {name.lower(): value for name, value in headers.items()}
    return Exchange(method, host, generalised(parts.path), status, lower, body, year, times, operation_kind(parts.path))


def operation_kind(path: str) -> str:
    """Return the kind in an operation's address: `be` of `.../mfeOperationsStatus/bebes:1234:5678`.

    The rest of the kind differs from year to year: `be`, `bebes`.
    """
    found = re.search(r"/mfeOperation\w+/(\w{1,2})\w*:", path)
    return found[1] if found else ""


def read(path: Path) -> list[Exchange]:
    """Read recorded exchanges, one JSON object a line.

    Each has `method`, `host`, `path`, `status`, `headers`, `body`, and in `source.recorded` a date that ends with the
    year; `times` says how often it was recorded.
    """
    return [_recorded(json.loads(line)) for line in path.read_text().splitlines() if line.strip()]


def _recorded(row: Mapping[str, Any]) -> Exchange:
    year = re.search(r"\d{4}", str(row["source"]["recorded"]))
    if year is None:
        raise ValueError(f"{row['method']} {row['path']}: source.recorded has no year: {row['source']['recorded']!r}")
    url = f"https://{row['host']}{row['path']}"
    headers = row.get("headers") or {}
    return exchange(
        row["method"], url, row["status"], headers, _body(row.get("body")), year=int(year[0]), times=row.get("times", 1)
    )


def _body(body: Any) -> Any:
    """Return a body; one that is text may be JSON in which a secret was replaced by asterisks."""
    if isinstance(body, str) and body.startswith("{"):
        with suppress(ValueError):
            return json.loads(re.sub(r"(?<=: )\*+", '"***"', body))
    return body


def of_workspaces(exchanges: Iterable[Exchange]) -> list[Exchange]:
    """Leave out what belongs to registries, which are not emulated in any form."""
    return [each for each in exchanges if "/registries/" not in each.path and not each.path.endswith("/registries")]


def operation_parts(name: str, workspace_id: str) -> tuple[str, str, str]:
    """Return the method, host and path of an operation, with words for the names in braces."""
    method, _, rest = name.partition(" ")
    host, _, path = rest.replace("WS", workspace_id, 1).replace("{region}", "eastus").partition("/")
    return method, re.sub(r"[{}]", "", host) or MANAGEMENT, f"/{re.sub('[{}]', '', path)}"
