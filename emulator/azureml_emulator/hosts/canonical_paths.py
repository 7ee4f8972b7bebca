"""Middleware that rewrites ARM paths to the case of the routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from azureml_emulator.host_names import MANAGEMENT_HOST


class CanonicalPath:
    """Middleware: ARM paths are case-insensitive; rewrite their words, not names."""

    def __init__(self, app: ASGIApp, workspace_id: str, routes: list[BaseRoute]) -> None:
        self._app = app
        self._workspace_id = workspace_id
        words = {word for path in _paths(routes) for word in path.split("/") if not word.startswith("{")}
        self._words = {word.lower(): word for word in words}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its path rewritten on the management host."""
        if scope["type"] == "http" and Request(scope).url.hostname == MANAGEMENT_HOST:
            scope = {**scope, "path": self.rewrite(scope["path"])}
        await self._app(scope, receive, send)

    def rewrite(self, path: str) -> str:
        """Rewrite the words, provider and workspace of `/word/name/word/name...`."""
        segments = path.rstrip("/").split("/")
        for index in range(1, len(segments)):
            if index % 2 == 1 or segments[index - 1] == "providers":
                segments[index] = self._words.get(segments[index].lower(), segments[index])
        depth = self._workspace_id.count("/") + 1
        if "/".join(segments[:depth]).lower() == self._workspace_id.lower():
            segments[:depth] = self._workspace_id.split("/")
        return "/".join(segments)


def _paths(routes: Iterable[BaseRoute]) -> Iterator[str]:
    for route in routes:
        if isinstance(route, Route | Mount):
            yield route.path
            yield from _paths(route.routes if isinstance(route, Mount) else ())
