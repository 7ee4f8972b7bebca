"""The operations of the emulator's web app, read from its routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from starlette.routing import BaseRoute, Host, Mount, Route, Router

from azureml_emulator.hosts.routes import build_app
from azureml_emulator.settings import Settings
from azureml_emulator.test_control.denied_actions import DeniedActions
from azureml_emulator.tokens import Tokens


@dataclass(frozen=True, order=True)
class Operation:
    """One method of one route.

    Attributes:
        host: The host's name, with parameters in braces.
        path: The path, with parameters in braces.
        method: The HTTP method.
        refuses: Whether it only says that the operation is not emulated.
    """

    host: str
    path: str
    method: str
    refuses: bool = False

    def matches(self, method: str, host: str, path: str) -> bool:
        """Return whether a request is for this operation."""
        return method == self.method and bool(_regex(self.host).fullmatch(host) and _regex(self.path).fullmatch(path))


def list_operations() -> list[Operation]:
    """Return all operations, in the order of the routes."""
    settings = Settings(state_dir=Path("nowhere"))
    context: Any = SimpleNamespace(settings=settings, tokens=Tokens(settings), denied=DeniedActions())
    return list(dict.fromkeys(_walk(build_app(context, StringIO()).routes, "", "")))


@cache
def _regex(template: str) -> re.Pattern[str]:
    separator = "/" if template.startswith("/") else "."
    context = re.split(r"(\{\w+(?::path)?\})", template)
    patterns = {True: ".*", False: f"[^{separator}]+"}
    pattern = "".join(patterns[":path" in part] if part[:1] == "{" else re.escape(part) for part in context)
    return re.compile(pattern, re.IGNORECASE)  # as in ARM's paths


def _walk(routes: Iterable[BaseRoute], host: str, path: str) -> Iterator[Operation]:
    for route in routes:
        match route:
            case Host():
                yield from _walk(route.routes, route.host, path)
            case Mount():
                yield from _walk(route.routes, host, path + route.path)
            case Route():
                for method in sorted((route.methods or set()) - {"HEAD"}):
                    refuses = route.endpoint.__name__.startswith("refuse")
                    yield Operation(host, path + route.path, method, refuses)
            case Router():
                yield from _walk(route.routes, host, path)
