"""Where all routes are mounted: each Azure host name with its routes.

To find a route: a resource under management.azure.com is declared in its module of control_plane/, at the end, as
`routes`; MLflow and artifacts in tracking/api.py and the modules it lists; scoring, batch scoring, run history and
sign-in in the modules of hosts/; Databricks in databricks/api/; the control API in test_control/api.py. A new control
plane module is added to `WORKSPACE_MODULES`.
"""

from __future__ import annotations

from typing import TextIO

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from azureml_emulator.arm.errors import ArmError
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
    jobs,
    kubernetes,
    long_running,
    models,
    online_deployments,
    online_endpoints,
    permissions,
    request_metrics,
    vm_sizes,
    workspaces,
)
from azureml_emulator.databricks.api import routes as databricks_routes
from azureml_emulator.databricks.errors import DatabricksError
from azureml_emulator.host_names import BLOB_HOST_SUFFIX, LOGIN_HOST, MANAGEMENT_HOST
from azureml_emulator.hosts import batch_requests, clouds, errors, run_history, scoring_requests
from azureml_emulator.hosts.access_log import AccessLog
from azureml_emulator.hosts.authorization import RequirePermission
from azureml_emulator.hosts.canonical_paths import CanonicalPath
from azureml_emulator.hosts.fault_injection import FaultInjection
from azureml_emulator.hosts.identity import RequireToken, login_routes
from azureml_emulator.test_control import api
from azureml_emulator.tokens import DATA_PLANE_AUDIENCES, MANAGEMENT_AUDIENCES
from azureml_emulator.tracking import api as tracking_api
from azureml_emulator.tracking import errors as tracking_errors
from azureml_emulator.tracking.errors import MlflowError

WORKSPACE_MODULES = (
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
    permissions,
)
MODULES_WITH_OPERATIONS = (
    online_endpoints,
    online_deployments,
    batch_endpoints,
    batch_deployments,
    computes,
    jobs,
    workspaces,
)
"""Modules with long-running operations."""
OUTSIDE_WORKSPACE = (*long_running.routes, *vm_sizes.routes, *autoscale_settings.routes)


def build_app(context: Context, access_log: TextIO, blob_relay: ASGIApp | None = None) -> Starlette:
    """Build the web app of all host names.

    Args:
        context: What the handlers use.
        access_log: Gets one JSON line per request.
        blob_relay: Answers for the blob host; without it the host is not emulated.
    """
    settings = context.settings
    in_workspace = [route for kind in WORKSPACE_MODULES for route in kind.routes]
    management = [*OUTSIDE_WORKSPACE, *workspaces.routes(settings.workspace_id, in_workspace)]
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
        Host(kubernetes.HOST, Router(scoring_requests.kubernetes_routes)),
    ]
    hosts.append(Host(settings.databricks_host, databricks_routes.databricks_app()))
    if blob_relay:
        hosts.append(Host(f"{{account}}{BLOB_HOST_SUFFIX}", blob_relay))
    if settings.control:
        hosts.append(Host(api.HOST, api.control_app(settings.control_token)))
        middleware.append(
            Middleware(
                FaultInjection,
                recorder=context.recorder,
                plan=context.faults,
                tokens=context.tokens,
                skipped_host=api.HOST,
            )
        )
    app = Starlette(
        routes=hosts,
        middleware=middleware,
        exception_handlers={
            ArmError: errors.error_response,
            MlflowError: tracking_errors.error_response,
            DatabricksError: databricks_routes.error_response,
            HTTPException: errors.routing_error_response,
            Exception: errors.internal_error_response,
        },
    )
    app.state.context = context
    return app


def only_clusters(app: ASGIApp) -> ASGIApp:
    """Return the app for connections without TLS: it serves endpoints on Kubernetes only."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        is_cluster = scope["type"] != "http" or Request(scope).url.hostname == kubernetes.HOST
        answering = app if is_cluster else PlainTextResponse("This host is served with TLS only.", 404)
        await answering(scope, receive, send)

    return serve


def _management(context: Context, routes: list[BaseRoute]) -> Router:
    signed_in = Router(
        routes,
        middleware=[
            Middleware(RequireToken, tokens=context.tokens, audiences=MANAGEMENT_AUDIENCES),
            Middleware(RequirePermission, denied=context.denied, settings=context.settings),
        ],
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
