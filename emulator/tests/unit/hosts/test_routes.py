from __future__ import annotations

import json

import pytest

from emulator_app import App

pytestmark = pytest.mark.anyio


async def test_management_requests_need_a_token(app: App) -> None:
    for path in ("", "/models", "/no/such/route"):
        answer = await app.http.get(f"https://management.azure.com{app.context.settings.workspace_id}{path}")
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "AuthenticationFailed"
        assert "login.microsoftonline.com" in answer.headers["www-authenticate"]


async def test_an_expired_token_is_refused(app: App) -> None:
    assert (await app.arm.get("models")).status_code == 200
    app.clock.now += app.context.settings.token_seconds

    answer = await app.arm.get("models")

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "ExpiredAuthenticationToken")


async def test_case_does_not_matter_in_paths(app: App) -> None:
    url = f"https://management.azure.com{app.context.settings.workspace_id}"

    workspace = await app.arm.get(url.replace("resourceGroups/local", "RESOURCEGROUPS/LOCAL"))
    datastore = await app.arm.get(f"{url.lower()}/DataStores/WorkspaceBlobStore")
    secrets = await app.arm.post(
        f"{url.upper().replace('HTTPS', 'https')}/datastores/workspaceblobstore/listsecrets",
        json={"expirableSecret": True},
    )

    assert workspace.json()["name"] == "local"
    assert datastore.json()["properties"]["isDefault"] is True
    assert secrets.json() == {"secretsType": "Sas", "sasToken": "sig=all"}


async def test_names_keep_the_case_they_were_given(app: App) -> None:
    body = {"properties": {"modelUri": "azureml://datastores/workspaceblobstore/paths/a"}}
    await app.arm.put("models/Versions/versions/MODELS", json=body)

    model = (await app.arm.get("models/versions/versions/models")).json()

    assert model["id"].endswith("/models/Versions/versions/MODELS")


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "said"),
    [
        ("GET", "environments/none/versions/1", 404, "UserError", "environment exists for name: none, version: 1"),
        ("GET", "schedules", 501, "NotImplementedByEmulator", "GET https://management.azure.com"),
        ("PATCH", "models/none", 501, "NotImplementedByEmulator", "PATCH"),
        ("GET", "environments/none/versions?$top=many", 400, "UserError", "many"),
    ],
)
async def test_the_service_says_where_an_error_comes_from(
    app: App, method: str, path: str, status: int, code: str, said: str
) -> None:
    answer = await app.arm.request(method, path)

    assert answer.status_code == status
    assert answer.headers["x-ms-response-type"] == "error"
    error = answer.json()["error"]
    assert list(error) == ["code", "message", "details", "additionalInfo"]
    assert (error["code"], error["details"]) == (code, [])
    assert said in error["message"]
    origin = {info["type"]: info["info"]["value"] for info in error["additionalInfo"]}
    assert list(origin) == ["ComponentName", "Correlation", "Environment", "Location", "Time"]
    assert (origin["ComponentName"], origin["Environment"]) == ("managementfrontend", "eastus")
    assert [len(origin["Correlation"][name]) for name in ("operation", "request")] == [32, 16]


@pytest.mark.parametrize(
    "path", ["onlineEndpoints/none", "batchEndpoints/none/deployments/blue", "computes/none", "../nowhere"]
)
async def test_the_gateway_answers_for_what_it_never_saw(app: App, path: str) -> None:
    url = f"https://management.azure.com{app.context.settings.workspace_id}/{path}".replace("/local/..", "")

    answer = await app.arm.get(url)

    assert (answer.status_code, answer.headers["x-ms-failure-cause"]) == (404, "gateway")
    error = answer.json()["error"]
    assert list(error) == ["code", "message"]
    assert error["code"] == "ResourceNotFound"
    named = url.partition("/providers/")[2]
    assert error["message"].startswith(f"The Resource '{named}' under resource group 'local' was not found. For more")


async def test_the_gateway_refuses_requests_without_a_token(app: App) -> None:
    answer = await app.http.get(f"https://management.azure.com{app.context.settings.workspace_id}")

    assert (answer.status_code, list(answer.json()["error"])) == (401, ["code", "message"])


async def test_the_data_plane_has_its_own_errors(app: App) -> None:
    answer = await app.data_plane.get("runs/none")

    assert answer.status_code == 404
    body = answer.json()
    assert (body["error"]["code"], body["error"]["innerError"]["code"]) == ("UserError", "NotFoundError")
    assert body["error"]["message"] == "Run none was not found."
    assert set(body) == {"error", "correlation", "environment", "location", "time", "componentName"}


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"properties": 1}'])
async def test_a_broken_body_is_a_bad_request(app: App, body: str) -> None:
    answer = await app.arm.put("models/a/versions/1", content=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UserError")


async def test_another_workspace_does_not_exist(app: App) -> None:
    url = f"https://management.azure.com{app.context.settings.workspace_id}"

    for other in (f"{url}2", f"{url}2/models", url.replace("resourceGroups/local", "resourceGroups/other")):
        answer = await app.arm.get(other)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound")


async def test_an_unknown_host_is_named(app: App) -> None:
    answer = await app.http.get("https://westus.api.azureml.ms/discovery")

    assert answer.status_code == 501
    assert "westus.api.azureml.ms/discovery" in answer.json()["error"]["message"]


async def test_computes_are_listed(app: App) -> None:
    listed = (await app.arm.get("computes")).json()["value"]

    assert [compute["name"] for compute in listed] == ["cpu-cluster", "k8s"]
    assert (await app.arm.get("computes/cpu-cluster")).json() == listed[0]


async def test_the_access_log_has_no_secrets(app: App) -> None:
    await app.arm.get("models/none?sig=secret", headers={"x-secret": "secret", "user-agent": "me/1"})

    line = json.loads(app.access_log.getvalue().splitlines()[-1])

    assert set(line) == {"time", "method", "host", "path", "client", "status", "milliseconds"}
    assert line["client"] == "me/1"
    assert (line["method"], line["host"], line["status"]) == ("GET", "management.azure.com", 404)
    assert "secret" not in app.access_log.getvalue()
