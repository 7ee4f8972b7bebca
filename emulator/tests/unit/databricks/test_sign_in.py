"""Who may call the API, and what it says to others."""

from __future__ import annotations

import pytest

from azureml_emulator.test_control.faults import Answer
from databricks_api import Databricks
from emulator_app import App

pytestmark = pytest.mark.anyio
PATH = "/api/2.2/jobs/list"


async def test_both_kinds_of_token_are_accepted(databricks: Databricks) -> None:
    token = databricks.context.settings.databricks_token

    assert (await databricks.send("GET", PATH)).status_code == 200
    assert (await databricks.send("GET", PATH, headers={"authorization": f"Bearer {token}"})).status_code == 200


async def test_other_tokens_are_refused(databricks: Databricks, app: App) -> None:
    elsewhere = app.context.tokens.issue("https://management.azure.com")
    for authorization, status, code in (
        ("", 401, "UNAUTHENTICATED"),
        ("Basic dTpw", 401, "UNAUTHENTICATED"),
        ("Bearer dapi0", 403, "PERMISSION_DENIED"),
        ("Bearer a.b.c", 403, "PERMISSION_DENIED"),
        (f"Bearer {elsewhere}", 401, "UNAUTHENTICATED"),
    ):
        answer = await databricks.send("GET", PATH, headers={"authorization": authorization})
        assert (answer.status_code, answer.json()["error_code"]) == (status, code), authorization
    wrong = {"X-Databricks-Azure-SP-Management-Token": "a.b.c"}
    assert (await databricks.send("GET", PATH, headers=wrong)).status_code == 403
    app.clock.now += 4000
    answer = await databricks.send("GET", PATH)
    assert (answer.status_code, answer.json()["message"]) == (401, "Token is expired.")


async def test_the_caller_is_the_application(databricks: Databricks) -> None:
    path = "/api/2.0/preview/scim/v2/Me"
    assert (await databricks.send("GET", path)).json()["userName"] == databricks.context.settings.client_id
    assert (await databricks.send("GET", path, headers={"authorization": "Bearer dapi0"})).status_code == 403


async def test_discovery_needs_no_token(databricks: Databricks) -> None:
    answer = await databricks.send("GET", "/aad/auth", headers={"authorization": ""})

    tenant = databricks.context.settings.tenant_id
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(f"https://login.microsoftonline.com/{tenant}/oauth2/authorize?")
    found = await databricks.send("GET", "/.well-known/databricks-config", headers={"authorization": ""})
    assert found.json()["workspace_id"] == str(databricks.context.settings.databricks_workspace_id)


async def test_the_first_version_of_the_token_endpoint_takes_a_resource(databricks: Databricks, app: App) -> None:
    settings = app.context.settings
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret,
        "resource": "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d",
    }
    url = f"https://login.microsoftonline.com/{settings.tenant_id}/oauth2/token"

    issued = (await app.http.post(url, data=form)).json()

    assert (issued["expires_in"], issued["resource"]) == (str(settings.token_seconds), form["resource"])
    signed_in = {"authorization": f"Bearer {issued['access_token']}"}
    assert (await databricks.send("GET", PATH, headers=signed_in)).status_code == 200
    del form["resource"]
    assert (await app.http.post(url, data=form)).json()["error"] == "invalid_resource"


async def test_unknown_routes_and_hosts_are_501_and_name_themselves(databricks: Databricks, app: App) -> None:
    refused = await databricks.refused("GET", "2.0/sql/warehouses")
    assert refused == (501, "NOT_IMPLEMENTED", f"Not emulated: GET https://{databricks.host}/api/2.0/sql/warehouses.")
    other = await app.http.get("https://adb-1.1.azuredatabricks.net/api/2.0/x")
    assert (other.status_code, other.json()["error_code"]) == (501, "NOT_IMPLEMENTED")


@pytest.mark.parametrize("body", ["[]", "{", '{"a": NaN}', '{"run_id": "x"}', '{"run_id": true}', '{"run_id": 1e400}'])
async def test_bodies_that_are_no_request_are_refused(databricks: Databricks, body: str) -> None:
    status, code, _ = await databricks.refused("POST", "2.2/jobs/runs/cancel", content=body)

    assert (status, code in ("MALFORMED_REQUEST", "INVALID_PARAMETER_VALUE")) == (400, True)


def test_a_fault_has_the_form_of_databricks() -> None:
    from azureml_emulator.hosts.errors import host_error

    fault = Answer(status=429)
    response = host_error("adb-1.1.azuredatabricks.net", fault.status, fault.code, fault.message, {"Retry-After": "1"})

    assert response.status_code == 429
    assert response.body == b'{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"Injected fault.","details":[]}'
    assert response.headers["retry-after"] == "1"


async def test_a_runs_token_is_for_secrets_only(databricks: Databricks) -> None:
    authorization = {"authorization": f"Bearer {databricks.context.databricks.scopes.new_run_token()}"}

    file = "/api/2.0/fs/files/Volumes/a/b/c/api/2.0/secrets/get"
    assert (await databricks.send("PUT", file, headers=authorization, content=b"x")).status_code == 403
    found = await databricks.send("GET", "/api/2.0/secrets/get?scope=s&key=k", headers=authorization)
    assert found.status_code == 404
