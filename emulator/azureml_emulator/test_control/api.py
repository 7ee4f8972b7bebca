"""The control API: reset the emulator, list recorded requests, inject faults.

It has its own host behind the same proxy and certificate. It needs `--control` and the bearer token of this start; see
`client` for the operations.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from azureml_emulator.arm.errors import ArmError, bad_request
from azureml_emulator.context import Context, context_of
from azureml_emulator.control_plane import datastores, workspaces
from azureml_emulator.control_plane.http import read_body
from azureml_emulator.test_control.behaviours import behaviour_from_dict
from azureml_emulator.test_control.faults import fault_from_dict

HOST = "control.azureml-emulator.azureml.ms"

Item = TypeVar("Item")


def control_app(token: str) -> Router:
    """Build the control API."""
    return Router(
        [
            Route("/reset", reset_state, methods=["POST"]),
            Route("/requests", list_requests, methods=["GET"]),
            Route("/requests", clear_requests, methods=["DELETE"]),
            Route("/faults", set_faults, methods=["PUT"]),
            Route("/behaviours", set_behaviours, methods=["PUT"]),
            Route("/operations/release", release_operations, methods=["POST"]),
            Route("/client-secret", set_client_secret, methods=["PUT"]),
            Route("/denied-actions", set_denied_actions, methods=["PUT"]),
        ],
        middleware=[Middleware(RequireControlToken, token=token)],
    )


class RequireControlToken:
    """Middleware: require the control API's token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if its token is valid."""
        given = Request(scope).headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), self._expected.encode()):
            raise ArmError(401, "Unauthorized", "The control API needs the bearer token of this start.")
        await self._app(scope, receive, send)


async def reset(context: Context) -> None:
    """Restore a fresh workspace without blobs; tokens and ports stay."""
    context.faults.set([])
    context.behaviours.set([])
    context.denied.set([])
    context.tokens.reset()
    await context.mirror.close()
    await context.operations.clear()
    await context.servers.clear()
    await context.jobs.clear()
    await context.databricks.clear()
    # Without an await in between: clients must always find the workspace.
    context.store.clear()
    context.records.clear()
    workspaces.create(context.store, context.settings, context.blobs.account)
    await context.blobs.clear()
    await datastores.create_containers(context.blobs)
    context.metrics.clear()
    context.recorder.clear()


async def reset_state(request: Request) -> Response:
    """Reset the emulator."""
    await reset(context_of(request))
    return Response(status_code=204)


async def list_requests(request: Request) -> Response:
    """List the recorded requests."""
    return JSONResponse({"value": [recorded.to_dict() for recorded in context_of(request).recorder.requests]})


async def clear_requests(request: Request) -> Response:
    """Forget the recorded requests."""
    context_of(request).recorder.clear()
    return Response(status_code=204)


async def set_faults(request: Request) -> Response:
    """Replace the fault plan."""
    context_of(request).faults.set(await _read_list(request, fault_from_dict))
    return Response(status_code=204)


async def set_behaviours(request: Request) -> Response:
    """Replace the forced behaviours of deployments and of Databricks."""
    context_of(request).behaviours.set(await _read_list(request, behaviour_from_dict))
    return Response(status_code=204)


async def release_operations(request: Request) -> Response:
    """Let operations continue that a fault holds in progress."""
    context_of(request).operations.release()
    return Response(status_code=204)


async def set_client_secret(request: Request) -> Response:
    """Make the client secret expired or valid."""
    context_of(request).tokens.secret_expired = bool((await read_body(request)).get("expired"))
    return Response(status_code=204)


async def set_denied_actions(request: Request) -> Response:
    """Replace the actions that the application may not perform."""
    actions = (await read_body(request)).get("value")
    if not isinstance(actions, list) or not all(isinstance(action, str) for action in actions):
        raise bad_request('The body must be {"value": ["PROVIDER/TYPE/VERB", ...]}.')
    context_of(request).denied.set(actions)
    return Response(status_code=204)


async def _read_list(request: Request, read: Callable[[dict[str, Any]], Item]) -> list[Item]:
    items = (await read_body(request)).get("value")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise bad_request('The body must be {"value": [{...}, ...]}.')
    try:
        return [read(item) for item in items]
    except ValueError as error:
        raise bad_request(str(error)) from None
