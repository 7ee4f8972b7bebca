"""Sign-in: what login.microsoftonline.com does for an application with a client secret or a federated identity."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.settings import Settings

LOGIN_HOST = "login.microsoftonline.com"
MANAGEMENT_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
SCORING_AUDIENCES = ("https://ml.azure.com",)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DATA_PLANE_AUDIENCES = (*SCORING_AUDIENCES, *MANAGEMENT_AUDIENCES)
STORAGE_AUDIENCE = "https://storage.azure.com"
"""Of every storage account; each account also has its own address as an audience."""
SIGN_IN_BYTES = 64 * 1024
"""Size limit of a sign-in request, which anybody may send."""


def is_bearer(authorization: str) -> bool:
    """Return whether an `Authorization` header has a bearer token.

    Args:
        authorization: The header's value, empty when it is missing.
    """
    return authorization.partition(" ")[0].lower() == "bearer"


class Tokens:
    """Issues access tokens and checks them: signature, issuer, tenant, time, audience.

    The signing key is made at each start, so a token is worth nothing to another run.

    Attributes:
        secret_expired: Whether the application's secret is refused as expired.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._key = secrets.token_bytes(64)
        self._revoked: set[str] = set()
        self.secret_expired = False

    def reset(self) -> None:
        """Forget which tokens were revoked, and that the secret expired."""
        self._revoked.clear()
        self.secret_expired = False

    def revoke(self, authorization: str) -> None:
        """Let a token count as expired from now on.

        Args:
            authorization: The `Authorization` header it came in.
        """
        self._revoked.add(authorization.partition(" ")[2])

    @property
    def _issuer(self) -> str:
        return f"https://sts.windows.net/{self._settings.tenant_id}/"

    def issue(self, audience: str) -> str:
        """Make an access token.

        Args:
            audience: Whom it is for.

        Returns:
            The token, a JWT.
        """
        issued = int(self._clock())
        claims = {
            "aud": audience,
            "iss": self._issuer,
            "iat": issued,
            "nbf": issued,
            "exp": issued + self._settings.token_seconds,
            "appid": self._settings.client_id,
            "oid": self._settings.client_id,
            "tid": self._settings.tenant_id,
            # No two tokens are alike, not even of one second.
            "uti": str(uuid.uuid4()),
            "ver": "1.0",
        }
        return jwt.encode(claims, self._key, "HS256")

    def check(self, authorization: str, audiences: tuple[str, ...]) -> None:
        """Check the `Authorization` header of a request.

        Args:
            authorization: The header's value, empty when it is missing.
            audiences: The token must be for one of these.

        Raises:
            ArmError: 401, if the token is missing, forged, expired, not valid yet, of another tenant or audience.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise self._refusal("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                issuer=self._issuer,
                options={
                    "require": ["aud", "exp", "iss", "nbf", "tid"],
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError as error:
            raise self._refusal("InvalidAuthenticationToken", f"The access token is invalid: {error}.") from None
        if claims["tid"] != self._settings.tenant_id:
            raise self._refusal("InvalidAuthenticationTokenTenant", "The access token is from another tenant.")
        # Time and audience by ourselves: the clock is ours, and an audience may end in a slash.
        if claims["exp"] <= self._clock() or token in self._revoked:
            raise self._refusal(
                "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."
            )
        if claims["nbf"] > self._clock():
            raise self._refusal("InvalidAuthenticationToken", "The access token is not valid yet.")
        if str(claims["aud"]).rstrip("/") not in audiences:
            raise self._refusal(
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{claims['aud']}'. "
                f"It should match one of the allowed audiences: {', '.join(audiences)}.",
            )

    def is_valid(self, token: str, audiences: tuple[str, ...]) -> bool:
        """Say whether `check` would let a token pass.

        Args:
            token: The token.
            audiences: It must be for one of these.

        Returns:
            Whether it is valid.
        """
        try:
            self.check(f"Bearer {token}", audiences)
        except ArmError:
            return False
        return True

    def _refusal(self, code: str, message: str) -> ArmError:
        authority = f"https://{LOGIN_HOST}/{self._settings.tenant_id}"
        challenge = f'Bearer authorization_uri="{authority}", error="invalid_token"'
        return ArmError(401, code, message, {"WWW-Authenticate": challenge})


class RequireToken:
    """Middleware: nobody gets past without a token for one of the audiences."""

    def __init__(self, app: ASGIApp, tokens: Tokens, audiences: tuple[str, ...]) -> None:
        self._app = app
        self._tokens = tokens
        self._audiences = audiences

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if its token is good."""
        self._tokens.check(Request(scope).headers.get("authorization", ""), self._audiences)
        await self._app(scope, receive, send)


def login_routes(settings: Settings, tokens: Tokens) -> list[BaseRoute]:
    """The routes of the login host.

    Args:
        settings: The directory and the application that may sign in.
        tokens: Makes the tokens.

    Returns:
        Discovery and the token endpoint.
    """
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
        audience = form.get("scope", "").split(" ")[0].removesuffix("/.default")
        if not audience:
            return login_error(400, "invalid_scope", 90014, "The required field 'scope' is missing.")
        seconds = settings.token_seconds
        return JSONResponse(
            {
                "token_type": "Bearer",
                "expires_in": seconds,
                "ext_expires_in": seconds,
                "access_token": tokens.issue(audience),
            }
        )

    return [
        Route("/common/discovery/instance", discover_instance),
        Route("/{tenant}/v2.0/.well-known/openid-configuration", discover_tenant),
        Route("/{tenant}/oauth2/v2.0/token", issue_token, methods=["POST"]),
    ]


async def _read_sign_in(request: Request) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > SIGN_IN_BYTES:
            raise ValueError
    return bytes(content)


def _refuse_credential(form: Mapping[str, str], settings: Settings, tokens: Tokens) -> Response | None:
    """Check a client secret, or the assertion of a federated identity in its place."""
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
    """Refuse to sign somebody in.

    Args:
        status: The HTTP status.
        error: OAuth's error, such as `invalid_client`.
        number: Entra ID's number of the error.
        message: What is wrong.

    Returns:
        The response.
    """
    description = f"AADSTS{number}: {message}"
    return JSONResponse({"error": error, "error_description": description, "error_codes": [number]}, status)
