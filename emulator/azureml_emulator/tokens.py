"""Access tokens: issue and check them."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable

import jwt

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.host_names import LOGIN_HOST
from azureml_emulator.settings import Settings

MANAGEMENT_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
SCORING_AUDIENCES = ("https://ml.azure.com",)
DATA_PLANE_AUDIENCES = (*SCORING_AUDIENCES, *MANAGEMENT_AUDIENCES)
DATABRICKS_AUDIENCES = ("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d",)
"""Databricks' application in every directory."""
STORAGE_AUDIENCE = "https://storage.azure.com"
"""For every storage account; each account's own address is an audience, too."""


def is_bearer(authorization: str) -> bool:
    """Return whether an `Authorization` header holds a bearer token."""
    return authorization.partition(" ")[0].lower() == "bearer"


class Tokens:
    """Issues and checks access tokens: signature, issuer, tenant, time, audience.

    The signing key is new at each start.

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
        """Forget revoked tokens and the expired secret."""
        self._revoked.clear()
        self.secret_expired = False

    def revoke(self, authorization: str) -> None:
        """Treat the token of an `Authorization` header as expired from now on."""
        self._revoked.add(authorization.partition(" ")[2])

    @property
    def _issuer(self) -> str:
        return f"https://sts.windows.net/{self._settings.tenant_id}/"

    def issue(self, audience: str) -> str:
        """Issue an access token (JWT) for an audience."""
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
            # Tokens issued in the same second still differ.
            "uti": str(uuid.uuid4()),
            "ver": "1.0",
        }
        return jwt.encode(claims, self._key, "HS256")

    def check(self, authorization: str, audiences: tuple[str, ...]) -> None:
        """Check the `Authorization` header of a request.

        Args:
            authorization: The header's value; empty if it is missing.
            audiences: The token must be for one of these.

        Raises:
            ArmError: 401, if the token is missing, forged, expired, not valid yet, or of another tenant or audience.
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
        # Checked here: the clock can be a test's, and an audience may end in a slash.
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
        """Return whether `check` accepts a token."""
        try:
            self.check(f"Bearer {token}", audiences)
        except ArmError:
            return False
        return True

    def _refusal(self, code: str, message: str) -> ArmError:
        authority = f"https://{LOGIN_HOST}/{self._settings.tenant_id}"
        challenge = f'Bearer authorization_uri="{authority}", error="invalid_token"'
        return ArmError(401, code, message, {"WWW-Authenticate": challenge}, gateway=True)
