"""Sign-in at login.microsoftonline.com with a client secret or federated token."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from azureml_emulator.host_names import LOGIN_HOST
from azureml_emulator.settings import Settings
from azureml_emulator.tokens import Tokens

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SIGN_IN_BYTES = 64 * 1024
"""Maximum size of a sign-in request, which needs no authentication."""


class RequireToken:
    """Middleware: require a token for one of the audiences."""

    def __init__(self, app: ASGIApp, tokens: Tokens, audiences: tuple[str, ...]) -> None:
        self._app = app
        self._tokens = tokens
        self._audiences = audiences

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if its token is valid."""
        self._tokens.check(Request(scope).headers.get("authorization", ""), self._audiences)
        await self._app(scope, receive, send)


def login_routes(settings: Settings, tokens: Tokens) -> list[BaseRoute]:
    """Return the routes of the login host: discovery and the token endpoint."""
    authority = f"https://{LOGIN_HOST}/{settings.tenant_id}"

    async def discover_instance(_request: Request) -> Response:
        alias = {"preferred_network": LOGIN_HOST, "preferred_cache": LOGIN_HOST, "aliases": [LOGIN_HOST]}
        endpoint = f"{authority}/v2.0/.well-known/openid-configuration"
        return JSONResponse({"tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": [alias]})

    async def discover_tenant(request: Request) -> Response:
        if request.path_params["tenant"].lower() != settings.tenant_id:
            return login_error(400, "invalid_tenant", 90002, f"Tenant '{request.path_params['tenant']}' not found.")
        return JSONResponse(
            {
                "issuer": f"{authority}/v2.0",
                "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
                "token_endpoint": f"{authority}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{authority}/oauth2/v2.0/devicecode",
                "jwks_uri": f"{authority}/discovery/v2.0/keys",
            }
        )

    async def issue_token(request: Request) -> Response:
        try:
            content = await _read_sign_in(request)
        except ValueError:
            return login_error(413, "invalid_request", 90015, f"The request is larger than {SIGN_IN_BYTES} bytes.")
        form = {name: values[0] for name, values in parse_qs(content.decode("latin-1")).items()}
        if request.path_params["tenant"].lower() != settings.tenant_id:
            return login_error(400, "invalid_tenant", 90002, f"Tenant '{request.path_params['tenant']}' not found.")
        if form.get("grant_type") != "client_credentials":
            return login_error(400, "unsupported_grant_type", 70003, "Only client_credentials is emulated.")
        if form.get("client_id", "").lower() != settings.client_id:
            return login_error(
                400, "unauthorized_client", 700016, "Application with this identifier was not found in the directory."
            )
        refusal = _refuse_credential(form, settings, tokens)
        if refusal:
            return refusal
        first_version = "v2.0" not in request.url.path
        name = "resource" if first_version else "scope"
        audience = form.get(name, "").split(" ")[0].removesuffix("/.default")
        if not audience:
            return login_error(400, f"invalid_{name}", 90014, f"The required field '{name}' is missing.")
        seconds = settings.token_seconds
        issued = {"token_type": "Bearer", "access_token": tokens.issue(audience)}
        if first_version:
            # Numbers are strings there.
            now = int(time.time())
            times = {"expires_in": seconds, "ext_expires_in": seconds, "expires_on": now + seconds, "not_before": now}
            return JSONResponse({**issued, **{key: str(value) for key, value in times.items()}, "resource": audience})
        return JSONResponse({**issued, "expires_in": seconds, "ext_expires_in": seconds})

    return [
        Route("/common/discovery/instance", discover_instance),
        Route("/{tenant}/v2.0/.well-known/openid-configuration", discover_tenant),
        Route("/{tenant}/oauth2/v2.0/token", issue_token, methods=["POST"]),
        # The first version, which databricks-sdk asks.
        Route("/{tenant}/oauth2/token", issue_token, methods=["POST"]),
    ]


async def _read_sign_in(request: Request) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > SIGN_IN_BYTES:
            raise ValueError
    return bytes(content)


def _refuse_credential(form: Mapping[str, str], settings: Settings, tokens: Tokens) -> Response | None:
    """Check a client secret, or the federated token in its place."""
    if "client_assertion" in form:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            return login_error(400, "invalid_request", 900144, "The 'client_assertion_type' must be jwt-bearer.")
        if not secrets.compare_digest(form["client_assertion"].encode(), settings.federated_token.encode()):
            problem = "No matching federated identity record found for presented assertion subject."
            return login_error(401, "invalid_client", 700213, problem)
        return None
    if not secrets.compare_digest(form.get("client_secret", "").encode(), settings.client_secret.encode()):
        return login_error(401, "invalid_client", 7000215, "Invalid client secret provided.")
    if tokens.secret_expired:
        return login_error(401, "invalid_client", 7000222, "The provided client secret keys are expired.")
    return None


def login_error(status: int, error: str, number: int, message: str) -> Response:
    """Build a sign-in error; `number` is Entra ID's AADSTS number."""
    description = f"AADSTS{number}: {message}"
    return JSONResponse({"error": error, "error_description": description, "error_codes": [number]}, status)
