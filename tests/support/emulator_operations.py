"""All that the emulator's web app answers, read from its routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from starlette.routing import BaseRoute, Host, Mount, Route, Router

from azureml_emulator.app import build_app
from azureml_emulator.identity import Tokens
from azureml_emulator.settings import Settings

WORKSPACE = "/workspaces/"


@dataclass(frozen=True, order=True)
class Operation:
    """One method of one route.

    Attributes:
        host: The host's name, with parameters in braces.
        path: The path, with parameters in braces.
        method: The HTTP method.
    """

    host: str
    path: str
    method: str


def list_operations() -> list[Operation]:
    """List all operations.

    Returns:
        The operations, in the order of the routes.
    """
    settings = Settings(state_dir=Path("nowhere"))
    parts: Any = SimpleNamespace(settings=settings, tokens=Tokens(settings))
    return list(dict.fromkeys(_walk(build_app(parts, StringIO()).routes, "", "")))


def _walk(routes: Iterable[BaseRoute], host: str, path: str) -> Iterator[Operation]:
    for route in routes:
        match route:
            case Host():
                yield from _walk(route.routes, route.host, path)
            case Mount():
                yield from _walk(route.routes, host, path + route.path)
            case Route():
                for method in sorted((route.methods or set()) - {"HEAD"}):
                    yield Operation(host, path + route.path, method)
            case Router():
                yield from _walk(route.routes, host, path)
