"""The web app: each Azure host name with its routes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import TextIO

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Host, Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.arm.resources import now
from azureml_emulator.context import Context
from azureml_emulator.control_plane import (
    autoscale_settings,
    batch_deployments,
    batch_endpoints,
    codes,
    components,
    computes,
    data,
    datastores,
    environments,
    http,
    jobs,
    kubernetes,
    long_running,
    models,
    online_deployments,
    online_endpoints,
    request_metrics,
    vm_sizes,
    workspaces,
)
from azureml_emulator.host_names import BLOB_HOST_SUFFIX, LOGIN_HOST, MANAGEMENT_HOST
from azureml_emulator.hosts import batch_requests, clouds, run_history, scoring_requests
from azureml_emulator.hosts.fault_injection import FaultInjection
from azureml_emulator.hosts.identity import RequireToken, login_routes
from azureml_emulator.test_control import api
from azureml_emulator.tokens import DATA_PLANE_AUDIENCES, MANAGEMENT_AUDIENCES
from azureml_emulator.tracking import api as tracking_api
from azureml_emulator.tracking import errors as tracking_errors
from azureml_emulator.tracking.errors import MlflowError

CLIENT_LENGTH = 200
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
    request_metrics,
)
OPERATED_KINDS = (online_endpoints, online_deployments, batch_endpoints, batch_deployments, computes, jobs)
"""Those with long-running operations."""
ABOVE_WORKSPACE = (*long_running.routes, *vm_sizes.routes, *autoscale_settings.routes)


def build_app(context: Context, access_log: TextIO, blob_relay: ASGIApp | None = None) -> Starlette:
    """Put the emulator's web app together.

    Args:
        context: What the handlers work with.
        access_log: Gets one JSON line a request.
        blob_relay: Plays the blob store's host, where its requests come this way.

    Returns:
        The app for all host names, the blob store's only with a relay.
    """
    settings = context.settings
    in_workspace = [route for kind in WORKSPACE_KINDS for route in kind.routes]
    management = [*ABOVE_WORKSPACE, *workspaces.routes(settings.workspace_id, in_workspace)]
    middleware = [Middleware(CanonicalPath, workspace_id=settings.workspace_id, routes=management)]
    middleware.append(Middleware(AccessLog, file=access_log))
    hosts: list[BaseRoute] = [
        Host(LOGIN_HOST, Router(login_routes(settings, context.tokens))),
        Host(MANAGEMENT_HOST, _management(context, management)),
        Host(settings.api_host, _data_plane(context)),
        Host(
            f"{{endpoint}}.{settings.location}.inference.ml.azure.com",
            Router([*batch_requests.routes, *scoring_requests.managed_routes]),
        ),
        Host(kubernetes.scoring_host("{compute}", settings.location), Router(scoring_requests.kubernetes_routes)),
    ]
    if blob_relay:
        hosts.append(Host(f"{{account}}{BLOB_HOST_SUFFIX}", blob_relay))
    if settings.control:
        hosts.append(Host(api.HOST, api.control_app(settings.control_token)))
        middleware.append(
            Middleware(
                FaultInjection, recorder=context.recorder, plan=context.faults, tokens=context.tokens, spared=api.HOST
            )
        )
    app = Starlette(
        routes=hosts,
        middleware=middleware,
        exception_handlers={
            ArmError: http.error_response,
            MlflowError: tracking_errors.error_response,
            HTTPException: http.routing_error_response,
            Exception: http.internal_error_response,
        },
    )
    app.state.context = context
    return app


def _management(context: Context, routes: list[BaseRoute]) -> Router:
    signed_in = Router(
        routes, middleware=[Middleware(RequireToken, tokens=context.tokens, audiences=MANAGEMENT_AUDIENCES)]
    )
    return Router([Route(clouds.PATH, clouds.get), Mount("", app=signed_in)])


def _data_plane(context: Context) -> Router:
    routes = [
        *tracking_api.routes(context),
        *run_history.routes(context.settings),
        *batch_requests.data_plane_routes(context.settings),
    ]
    signed_in = Router(
        routes, middleware=[Middleware(RequireToken, tokens=context.tokens, audiences=DATA_PLANE_AUDIENCES)]
    )
    return Router([Route("/discovery", run_history.discover), Mount("", app=signed_in)])


class CanonicalPath:
    """Middleware: case does not matter in ARM paths. Write their words as our routes do, and leave names alone."""

    def __init__(self, app: ASGIApp, workspace_id: str, routes: list[BaseRoute]) -> None:
        self._app = app
        self._workspace_id = workspace_id
        words = {word for path in _paths(routes) for word in path.split("/") if not word.startswith("{")}
        self._words = {word.lower(): word for word in words}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its path rewritten if it is one of ARM's."""
        if scope["type"] == "http" and Request(scope).url.hostname == MANAGEMENT_HOST:
            scope = {**scope, "path": self.rewrite(scope["path"])}
        await self._app(scope, receive, send)

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


def _paths(routes: Iterable[BaseRoute]) -> Iterator[str]:
    for route in routes:
        if isinstance(route, Route | Mount):
            yield route.path
            yield from _paths(route.routes if isinstance(route, Mount) else ())


class AccessLog:
    """Middleware: one line a request, without query, body or headers, where secrets are, but for the client's name."""

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
                "time": now(),
                "method": scope["method"],
                "host": Request(scope).url.hostname,
                "path": scope["path"],
                "client": Request(scope).headers.get("user-agent", "")[:CLIENT_LENGTH],
                "status": status,
                "milliseconds": round((time.perf_counter() - started) * 1000, 1),
            }
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()
