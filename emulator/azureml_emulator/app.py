"""The web app: each Azure host name with its routes."""

from __future__ import annotations

import json
import time
from typing import TextIO

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from azureml_emulator import arm, batch, history, scoring
from azureml_emulator.identity import (
    DATA_PLANE_AUDIENCES,
    LOGIN_HOST,
    MANAGEMENT_AUDIENCES,
    RequireToken,
    login_routes,
)
from azureml_emulator.resources import (
    batch_deployments,
    batch_endpoints,
    codes,
    components,
    computes,
    data,
    datastores,
    environments,
    jobs,
    kubernetes,
    long_running,
    models,
    online_deployments,
    online_endpoints,
    vm_sizes,
    workspaces,
)
from azureml_emulator.services import Services, services

WORKSPACE_KINDS = (
    datastores,
    computes,
    data,
    models,
    environments,
    codes,
    components,
    jobs,
    online_endpoints,
    online_deployments,
    batch_endpoints,
    batch_deployments,
)
OPERATED_KINDS = (online_endpoints, online_deployments, batch_endpoints, batch_deployments, computes, jobs)
"""Those with long-running operations."""
ABOVE_WORKSPACE = (*long_running.routes, *vm_sizes.routes)
WORKSPACE = (
    f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{arm.PROVIDER}/workspaces/{{workspace}}"
)


def build_app(parts: Services, access_log: TextIO) -> Starlette:
    """Put the emulator's web app together.

    Args:
        parts: What the handlers work with.
        access_log: Gets one JSON line a request.

    Returns:
        The app for all host names but the blob store's.
    """
    settings = parts.settings
    hosts: list[BaseRoute] = [
        Host(LOGIN_HOST, Router(login_routes(settings, parts.tokens))),
        Host("management.azure.com", _management(parts)),
        Host(f"{settings.location}.api.azureml.ms", _data_plane(parts)),
        Host(
            f"{{endpoint}}.{settings.location}.inference.ml.azure.com", Router([*batch.routes, *scoring.managed_routes])
        ),
        Host(kubernetes.scoring_host("{compute}", settings.location), Router(scoring.kubernetes_routes)),
    ]
    app = Starlette(
        routes=hosts,
        middleware=[Middleware(AccessLog, file=access_log)],
        exception_handlers={
            arm.ArmError: arm.error_response,
            HTTPException: arm.routing_error_response,
            Exception: arm.internal_error_response,
        },
    )
    app.state.services = parts
    return app


def _management(parts: Services) -> Router:
    below_workspace = [route for kind in WORKSPACE_KINDS for route in kind.routes]
    return Router(
        [
            *ABOVE_WORKSPACE,
            Route(parts.settings.workspace_id, workspaces.get),
            Mount(parts.settings.workspace_id, routes=below_workspace),
            Route(WORKSPACE, _no_such_workspace, methods=["GET", "PUT", "POST", "PATCH", "DELETE"]),
            Route(f"{WORKSPACE}/{{below:path}}", _no_such_workspace, methods=["GET", "PUT", "POST", "PATCH", "DELETE"]),
        ],
        middleware=[
            Middleware(RequireToken, tokens=parts.tokens, audiences=MANAGEMENT_AUDIENCES),
            Middleware(CanonicalPath, workspace_id=parts.settings.workspace_id, routes=below_workspace),
        ],
    )


def _data_plane(parts: Services) -> Router:
    signed_in = [Middleware(RequireToken, tokens=parts.tokens, audiences=DATA_PLANE_AUDIENCES)]
    routes = [*history.routes(parts.settings), *batch.data_plane_routes(parts.settings)]
    below = Router(routes, middleware=signed_in)
    return Router([Route("/discovery", history.discover), Mount("", app=below)])


async def _no_such_workspace(request: Request) -> Response:
    raise arm.ArmError(
        404,
        "ResourceNotFound",
        f"There is no workspace {request.path_params['workspace']!r} in resource group {request.path_params['group']!r}"
        f" of subscription {request.path_params['subscription']}; the emulator has only"
        f" {services(request).settings.workspace_id}.",
    )


class CanonicalPath:
    """Middleware: case does not matter in ARM paths. Write their words as our routes do, and leave names alone."""

    def __init__(self, app: ASGIApp, workspace_id: str, routes: list[BaseRoute]) -> None:
        self._app = app
        self._workspace_id = workspace_id
        paths = [workspace_id, *(route.path for route in (*routes, *ABOVE_WORKSPACE) if isinstance(route, Route))]
        words = {word for path in paths for word in path.split("/") if not word.startswith("{")}
        self._words = {word.lower(): word for word in words}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its path rewritten."""
        await self._app({**scope, "path": self.rewrite(scope["path"])}, receive, send)

    def rewrite(self, path: str) -> str:
        """Write a path as our routes do.

        Args:
            path: A path as a client wrote it: `/word/name/word/name...`.

        Returns:
            The same path with the words, the provider and the workspace in our spelling.
        """
        segments = path.rstrip("/").split("/")
        for index in range(1, len(segments)):
            if index % 2 == 1 or segments[index - 1] == "providers":
                segments[index] = self._words.get(segments[index].lower(), segments[index])
        depth = self._workspace_id.count("/") + 1
        if "/".join(segments[:depth]).lower() == self._workspace_id.lower():
            segments[:depth] = self._workspace_id.split("/")
        return "/".join(segments)


class AccessLog:
    """Middleware: one line a request, without query, headers or body, where secrets are."""

    def __init__(self, app: ASGIApp, file: TextIO) -> None:
        self._app = app
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and write its line."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            line = {
                "time": arm.now(),
                "method": scope["method"],
                "host": Request(scope).url.hostname,
                "path": scope["path"],
                "status": status,
                "milliseconds": round((time.perf_counter() - started) * 1000, 1),
            }
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
