"""Record this process's requests to Azure ML, in the form of the recordings of the real service.

One JSON object a line: source, host, method, path, query, request, status, headers, body, times, also. Ids, names and
secrets are placeholders before anything is kept, see `traffic_placeholders`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import requests
from requests.adapters import HTTPAdapter

from traffic_placeholders import Placeholders

REPO = "kfp-azureml"
_HOSTS = re.compile(r"management\.azure\.com|.*\.api\.azureml\.ms|.*\.inference\.ml\.azure\.com")
_CLIENTS = re.compile(r"\b((?:azure-ai-ml|azsdk-python-[\w-]+|python-httpx|python-requests)/[\w.]+)")
_PEOPLE = re.compile(r"(?i)(created|lastmodified)by|user(name)?|\w*mail|\w*upn|owner|(given|family)_?name")
_CLAIMS = ("name", "given_name", "family_name", "unique_name", "upn", "email", "preferred_username", "app_displayname")

_REPLACED = ("host", "path", "query", "request", "headers", "body")


class Traffic:
    """Distinct exchanges, and how often each was seen.

    Attributes:
        where: What sends the requests now, such as a test's id.

    Args:
        names: Names that identify the workspace, its resources or people.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.where = ""
        self._placeholders = Placeholders(names)
        self._rows: dict[str, dict[str, Any]] = {}
        self._count = 0
        self._lock = threading.Lock()

    def add(
        self,
        method: str,
        url: str,
        sent: Mapping[str, str],
        request: bytes | str | None,
        status: int,
        headers: Mapping[str, str],
        answer: bytes | str | None,
    ) -> None:
        """Add an exchange.

        Args:
            method: HTTP method.
            url: The request's URL.
            sent: The request's headers; only the client's version is kept.
            request: The request's body.
            status: The answer's status.
            headers: The answer's headers.
            answer: The answer's body.
        """
        lower = {name.lower(): str(value) for name, value in sent.items()}
        with self._lock:
            self._placeholders.hide([*people_of_token(lower.get("authorization", "")), *people_in(answer)])
            parts, form = urlsplit(url), self._placeholders
            row = {
                "host": form.host(parts.hostname or ""),
                "method": method,
                "path": form.path(parts.path),
                "query": form.query(parts.query),
                "request": form.body(request),
                "status": status,
                "headers": form.headers(headers),
                "body": form.body(answer),
            }
            self._keep(row, _CLIENTS.findall(lower.get("user-agent", ""))[:1])

    def rows(self) -> list[dict[str, Any]]:
        """Return the exchanges, in the order in which they were first seen."""
        return [
            {**row, **{part: self._placeholders.redo(row[part]) for part in _REPLACED}} for row in self._rows.values()
        ]

    def write(self, path: Path) -> None:
        """Write the exchanges as a whole, readable for this user only."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.writelines(json.dumps(row) + "\n" for row in self.rows())
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)

    def _keep(self, row: dict[str, Any], client: list[str]) -> None:
        number, self._count = self._count, self._count + 1
        known = self._rows.get(json.dumps(row, sort_keys=True))
        if known is None:
            source = {
                "repo": REPO,
                "path": self.where,
                "interaction": number,
                "recorded": datetime.now(UTC).strftime("%b %Y"),
                "client": client,
            }
            self._rows[json.dumps(row, sort_keys=True)] = {"source": source, **row, "times": 1, "also": []}
            return
        known["times"] += 1
        if self.where not in (known["source"]["path"], *known["also"]):
            known["also"].append(self.where)


@contextmanager
def recording(traffic: Traffic) -> Iterator[None]:
    """Add every request of this process to Azure ML, by requests and by httpx."""
    by_requests, by_httpx = HTTPAdapter.send, httpx.Client.send

    def sent(self: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        answer = by_requests(self, request, *args, **kwargs)
        if _is_of_azureml(str(request.url)):
            body = request.body if isinstance(request.body, bytes | str) else None
            said = (answer.status_code, answer.headers, answer.content)
            traffic.add(str(request.method), str(request.url), request.headers, body, *said)
        return answer

    def scored(self: httpx.Client, request: httpx.Request, **kwargs: Any) -> httpx.Response:
        answer = by_httpx(self, request, **kwargs)
        if _is_of_azureml(str(request.url)):
            said = (answer.status_code, answer.headers, answer.read())
            traffic.add(request.method, str(request.url), request.headers, request.content, *said)
        return answer

    HTTPAdapter.send = sent  # type: ignore[method-assign]
    httpx.Client.send = scored  # type: ignore[method-assign]
    try:
        yield
    finally:
        HTTPAdapter.send = by_requests  # type: ignore[method-assign]
        httpx.Client.send = by_httpx  # type: ignore[method-assign]


def people_of_token(authorization: str) -> list[str]:
    """Return the names in a bearer token; a key or another token has none."""
    parts = authorization.split(".")
    if len(parts) != 3:
        return []
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return []
    return [str(claims[name]) for name in _CLAIMS if name in claims] if isinstance(claims, dict) else []


def people_in(answer: bytes | str | None) -> list[str]:
    """Return the names of people in an answer, by the fields that hold them."""
    try:
        return list(_people(json.loads(answer or "null")))
    except (ValueError, RecursionError):
        return []


def _people(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if isinstance(each, str) and _PEOPLE.fullmatch(key):
                yield each
            else:
                yield from _people(each)
    elif isinstance(value, list):
        for each in value:
            yield from _people(each)


def read(path: Path) -> list[dict[str, Any]]:
    """Read recorded traffic."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def _is_of_azureml(url: str) -> bool:
    return bool(_HOSTS.fullmatch(urlsplit(url).hostname or ""))
