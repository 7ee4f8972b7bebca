"""Who may call the API: an Entra token for Databricks, a personal access token, or a run that reads a secret."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.context import context_of
from azureml_emulator.databricks.errors import DatabricksError
from azureml_emulator.host_names import LOGIN_HOST
from azureml_emulator.tokens import DATABRICKS_AUDIENCES, MANAGEMENT_AUDIENCES

MANAGEMENT_HEADER = "x-databricks-azure-sp-management-token"
SECRET_PATH = "/api/2.0/secrets/get"  # noqa: S105 - where runs read them


class RequireDatabricksToken:
    """Middleware: require a token of the workspace."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if its token is valid."""
        check(Request(scope))
        await self._app(scope, receive, send)


def check(request: Request) -> None:
    """Check a request's token.

    Raises:
        DatabricksError: 401, if it is missing, expired or for another service; 403, if it is none of this workspace.
    """
    context = context_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        message = "Credential was not sent or was of an unsupported type for this API."
        raise DatabricksError(401, "UNAUTHENTICATED", message)
    if secrets.compare_digest(token.encode(), context.settings.databricks_token.encode()):
        return
    if request.url.path == SECRET_PATH and context.databricks.scopes.is_run_token(token):
        return
    if token.count(".") != 2:
        raise DatabricksError(403, "PERMISSION_DENIED", "Invalid access token.")
    try:
        context.tokens.check(f"Bearer {token}", DATABRICKS_AUDIENCES)
        _check_management_token(request.headers, request)
    except ArmError as error:
        if error.code == "ExpiredAuthenticationToken":
            raise DatabricksError(401, "UNAUTHENTICATED", "Token is expired.") from None
        if error.code == "InvalidAuthenticationTokenAudience":
            raise DatabricksError(401, "UNAUTHENTICATED", error.message) from None
        raise DatabricksError(403, "PERMISSION_DENIED", f"Invalid access token. {error.message}") from None


def _check_management_token(headers: Headers, request: Request) -> None:
    """Check the token with which a service principal shows its rights in Azure, if it is there."""
    if token := headers.get(MANAGEMENT_HEADER):
        context_of(request).tokens.check(f"Bearer {token}", MANAGEMENT_AUDIENCES)


async def redirect_to_directory(request: Request) -> Response:
    """Redirect to the directory's sign-in page: clients read the tenant from its address."""
    settings = context_of(request).settings
    query = urlencode({"redirect_uri": f"https://{settings.databricks_host}/login.html", "response_type": "code"})
    return RedirectResponse(f"https://{LOGIN_HOST}/{settings.tenant_id}/oauth2/authorize?{query}", 302)


async def describe_host(request: Request) -> Response:
    """Tell clients what kind of host this is."""
    settings = context_of(request).settings
    return JSONResponse(
        {
            "oidc_endpoint": f"https://{settings.databricks_host}/oidc",
            "workspace_id": str(settings.databricks_workspace_id),
            "cloud": "Azure",
            "host_type": "workspace",
        }
    )


async def describe_caller(request: Request) -> Response:
    """Tell who is signed in: the application, whatever the token."""
    client_id = context_of(request).settings.client_id
    return JSONResponse(
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": "1000000000000001",
            "userName": client_id,
            "displayName": client_id,
            "active": True,
        }
    )


open_routes: list[BaseRoute] = [
    Route("/aad/auth", redirect_to_directory),
    Route("/.well-known/databricks-config", describe_host),
]
"""Routes that need no token."""

routes: list[BaseRoute] = [Route("/Me", describe_caller)]
