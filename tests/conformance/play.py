"""Requests to play, as data: with `{ws}` for the workspace's id and other names that only a running service knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from azureml_emulator.test_control.faults import Fault
from exchange import MANAGEMENT, Exchange, exchange
from situation import ANSWERED, CREATED, MISSING, REPLACED

WORKSPACE_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
NAMES = {"{none}": "", "{ws}": WORKSPACE_ID, "{region}": "eastus"}
NAMES |= {"{group}": WORKSPACE_ID.partition("/providers")[0], "{subscription}": "/subscriptions/s"}


@dataclass(frozen=True)
class Play:
    """One request.

    Attributes:
        method: The HTTP method.
        path: The path, from the workspace's id on unless it begins with a brace.
        situation: The situation in which it is sent, see `situation.py`.
        body: The JSON body.
        query: Parameters besides `api-version`.
        host: The host.
        follow: Whether to poll the operation that it starts.
        ends: The situation in which that operation ends.
        fault: A fault of the emulator for this request.
    """

    method: str
    path: str
    situation: str = ANSWERED
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    host: str = MANAGEMENT
    follow: bool = False
    ends: str = "ended"
    fault: Fault | None = None

    def url(self, names: Mapping[str, str]) -> str:
        """Return the URL, with names filled in."""
        path = self.path if self.path.startswith("{") else f"{{ws}}{self.path}"
        return str(fill(f"https://{self.host}{path}", names))

    @property
    def operation(self) -> str:
        """The operation, as the facts name it."""
        return self.answer(0, {}, None, self.url(NAMES)).operation

    def answer(self, status: int, headers: Mapping[str, str], body: Any, url: str) -> Exchange:
        """Return the exchange that an answer makes with this request."""
        return exchange(self.method, url, status, headers, body)


def fill(value: Any, names: Mapping[str, str]) -> Any:
    """Return JSON with names filled into its texts."""
    if isinstance(value, dict):
        return {key: fill(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, names) for each in value]
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(name, text)
    return value


def get(path: str, situation: str = ANSWERED, **query: str) -> Play:
    """GET a path."""
    return Play("GET", path, situation, query=query)


def missing(path: str, **query: str) -> Play:
    """GET what is not there."""
    return get(path, MISSING, **query)


def put(path: str, body: Any, *, follow: bool = False, situation: str = CREATED, **query: str) -> Play:
    """PUT a resource that is new."""
    return Play("PUT", path, situation, body, query, follow=follow)


def again(play: Play) -> Play:
    """PUT the same once more."""
    return replace(play, situation=REPLACED)


def post(path: str, body: Any = None) -> Play:
    """POST an action."""
    return Play("POST", path, body=body)


def delete(path: str, **query: str) -> Play:
    """DELETE a resource, and wait until it is gone."""
    return Play("DELETE", path, query=query, follow=True)
