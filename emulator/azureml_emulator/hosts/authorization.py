"""Middleware: refuse requests whose action is denied, as Azure Resource Manager does."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.settings import Settings
from azureml_emulator.test_control.denied_actions import DeniedActions

VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}


class RequirePermission:
    """Middleware: refuse denied actions."""

    def __init__(self, app: ASGIApp, denied: DeniedActions, settings: Settings) -> None:
        self._app = app
        self._denied = denied
        self._client_id = settings.client_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if its action is not denied."""
        action = action_of(Request(scope).method, scope["path"])
        if self._denied.denies(action):
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"The client '{self._client_id}' with object id '{self._client_id}' does not have authorization to "
                f"perform action '{action}' over scope '{scope['path']}' or the scope is invalid. If access was "
                "recently granted, please refresh your credentials.",
                gateway=True,
            )
        await self._app(scope, receive, send)


def action_of(method: str, path: str) -> str:
    """Return the action of a request: `PROVIDER/TYPE/.../read`, and `.../NAME/action` for a POST.

    The path after the last `/providers/` alternates between types and names.
    """
    provider, *segments = path.rpartition("/providers/")[2].split("/")
    types = segments[::2]
    if method == "POST":
        return "/".join((provider, *types, "action"))
    return "/".join((provider, *types, VERBS.get(method, "action")))
