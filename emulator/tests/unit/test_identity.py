from __future__ import annotations

from collections.abc import AsyncIterator

import jwt
import pytest

from azureml_emulator.control_plane.arm import ArmError
from azureml_emulator.hosts.identity import MANAGEMENT_AUDIENCES, Tokens
from azureml_emulator.settings import Settings

from .conftest import App, Clock

FEDERATED = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}


def refusal(tokens: Tokens, authorization: str) -> tuple[int, str]:
    with pytest.raises(ArmError) as caught:
        tokens.check(authorization, MANAGEMENT_AUDIENCES)
    return caught.value.status, caught.value.code


@pytest.mark.parametrize("audience", ["https://management.azure.com", "https://management.azure.com/"])
def test_a_token_is_good_until_it_expires(settings: Settings, audience: str) -> None:
    clock = Clock()
    tokens = Tokens(settings, clock)
    authorization = f"Bearer {tokens.issue(audience)}"

    clock.now += settings.token_seconds - 1
    tokens.check(authorization, MANAGEMENT_AUDIENCES)
    clock.now += 1

    assert refusal(tokens, authorization) == (401, "ExpiredAuthenticationToken")


def test_a_revoked_token_has_expired(settings: Settings) -> None:
    tokens = Tokens(settings)
    revoked, other = (f"Bearer {tokens.issue('https://management.azure.com')}" for _ in range(2))
    assert revoked != other

    tokens.revoke(revoked)

    assert refusal(tokens, revoked) == (401, "ExpiredAuthenticationToken")
    tokens.check(other, MANAGEMENT_AUDIENCES)
    tokens.reset()
    tokens.check(revoked, MANAGEMENT_AUDIENCES)


def test_other_tokens_are_refused(settings: Settings) -> None:
    tokens = Tokens(settings)
    good = tokens.issue("https://management.azure.com")
    claims = jwt.decode(good, options={"verify_signature": False})

    assert refusal(tokens, "") == (401, "AuthenticationFailed")
    assert refusal(tokens, f"Basic {good}") == (401, "AuthenticationFailed")
    assert refusal(tokens, "Bearer nonsense") == (401, "InvalidAuthenticationToken")
    assert refusal(tokens, f"Bearer {jwt.encode(claims, 'x' * 32)}") == (401, "InvalidAuthenticationToken")
    assert refusal(tokens, f"Bearer {jwt.encode(claims, '', 'none')}") == (401, "InvalidAuthenticationToken")
    assert refusal(Tokens(settings), f"Bearer {good}") == (401, "InvalidAuthenticationToken")
    storage = tokens.issue("https://storage.azure.com")
    assert refusal(tokens, f"Bearer {storage}") == (401, "InvalidAuthenticationTokenAudience")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({}, 200, None),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "somebody"}, 400, "unauthorized_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": ""}, 400, "invalid_scope"),
        ({**FEDERATED, "client_assertion": "wrong"}, 401, "invalid_client"),
        ({"client_assertion": "wrong"}, 400, "invalid_request"),
    ],
)
async def test_sign_in(app: App, changed: dict[str, str], status: int, error: str | None) -> None:
    settings = app.parts.settings
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "scope": "https://management.azure.com/.default",
        **changed,
    }

    answer = await app.http.post(f"https://login.microsoftonline.com/{settings.tenant_id}/oauth2/v2.0/token", data=form)

    assert (answer.status_code, answer.json().get("error")) == (status, error)


@pytest.mark.anyio
async def test_a_federated_token_is_as_good_as_the_secret(app: App) -> None:
    settings = app.parts.settings
    form = {
        **FEDERATED,
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_assertion": settings.federated_token,
        "scope": "https://management.azure.com/.default",
    }
    app.parts.tokens.secret_expired = True  # which it does not need

    answer = await app.http.post(f"https://login.microsoftonline.com/{settings.tenant_id}/oauth2/v2.0/token", data=form)

    app.arm.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
    assert (await app.arm.get("models")).status_code == 200


@pytest.mark.anyio
async def test_discovery_leads_to_the_token_endpoint(app: App) -> None:
    tenant = app.parts.settings.tenant_id
    configuration = f"https://login.microsoftonline.com/{tenant}/v2.0/.well-known/openid-configuration"

    found = (await app.http.get("https://login.microsoftonline.com/common/discovery/instance")).json()
    assert found["tenant_discovery_endpoint"] == configuration
    found = (await app.http.get(configuration)).json()
    assert found["token_endpoint"] == f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
    other = await app.http.get(configuration.replace(tenant, "other"))
    assert other.json()["error"] == "invalid_tenant"


@pytest.mark.anyio
async def test_a_sign_in_that_never_ends_is_refused_early(app: App) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 16384

    tenant = app.parts.settings.tenant_id
    answer = await app.http.post(f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token", content=endless())

    assert (answer.status_code, answer.json()["error"]) == (413, "invalid_request")
    assert sent <= 6
