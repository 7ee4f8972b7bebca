"""The application's own permissions on the workspace.

Form and version as in the contract (Microsoft.Authorization, 2022-04-01); it was not recorded.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from azureml_emulator.context import context_of


async def list_permissions(request: Request) -> Response:
    """List the permissions, one entry per role: everything but the denied actions."""
    denied = context_of(request).denied.actions
    role = {"actions": ["*"], "notActions": denied, "dataActions": [], "notDataActions": []}
    return JSONResponse({"value": [role]})


routes = [Route("/providers/Microsoft.Authorization/permissions", list_permissions)]
