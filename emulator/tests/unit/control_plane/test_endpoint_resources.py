"""Bodies of endpoints and deployments as the service was recorded."""

from __future__ import annotations

from typing import Any

import pytest

from emulator_app import App
from endpoint_requests import deploy, put_endpoint, serve_at_once, wait_for

pytestmark = pytest.mark.anyio


async def get(app: App, path: str) -> dict[str, Any]:
    found: dict[str, Any] = (await app.arm.get(path)).json()
    return found


async def test_an_online_endpoint(app: App) -> None:
    answer = await put_endpoint(app)
    await wait_for(app, answer)
    endpoint = await get(app, "onlineEndpoints/digits")

    operation = answer.headers["azure-asyncoperation"]
    expected = {
        "description": None,
        "properties": {"azureml.onlineendpointid": endpoint["id"].lower(), "AzureAsyncOperationUri": operation},
        "scoringUri": None,
        "swaggerUri": None,
        "authMode": "Key",
        "provisioningState": "Creating",
        "compute": None,
        "traffic": {},
        "mirrorTraffic": {},
        "publicNetworkAccess": "Enabled",
    }
    assert answer.json()["properties"] == expected
    host = "https://digits.eastus.inference.ml.azure.com"
    assert endpoint["properties"] == {
        **expected,
        "provisioningState": "Succeeded",
        "scoringUri": f"{host}/score",
        "swaggerUri": f"{host}/swagger.json",
    }
    assert (endpoint["kind"], endpoint["location"], endpoint["tags"]) == ("Managed", "eastus", {})
    assert list(endpoint["systemData"]) == ["createdAt", "createdBy", "lastModifiedAt"]


async def test_an_update_of_an_online_endpoint_shows_it_as_it_was(app: App) -> None:
    serve_at_once(app)
    await wait_for(app, await put_endpoint(app, description="first"))
    await wait_for(app, await deploy(app))
    written_back = (await get(app, "onlineEndpoints/digits"))["properties"]["properties"]

    answer = await put_endpoint(app, properties=written_back, traffic={"blue": 100}, authMode="AMLToken")

    assert answer.status_code == 201
    shown = answer.json()["properties"]
    assert (shown["traffic"], shown["provisioningState"]) == ({}, "Updating")
    assert shown["scoringUri"]
    assert shown["properties"]["AzureAsyncOperationUri"] == answer.headers["azure-asyncoperation"]
    await wait_for(app, answer)
    after = (await get(app, "onlineEndpoints/digits"))["properties"]
    assert (after["traffic"], after["description"], after["authMode"]) == ({"blue": 100}, "first", "Key")
    assert list(after["properties"]) == list(written_back)


async def test_an_identity_of_the_users_is_completed(app: App) -> None:
    body = {
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/a/b": {}}},
        "properties": {"authMode": "Key"},
    }
    identity = (await app.arm.put("onlineEndpoints/digits", json=body)).json()["identity"]

    assert list(identity) == ["type", "principalId", "tenantId", "userAssignedIdentities"]
    assert list(identity["userAssignedIdentities"]["/a/b"]) == ["principalId", "clientId"]


async def test_an_endpoint_without_keys_shows_none(app: App) -> None:
    await wait_for(app, await put_endpoint(app, authMode="AMLToken"))

    keys = await app.arm.post("onlineEndpoints/digits/listKeys")

    assert keys.json() == {"primaryKey": None, "secondaryKey": None}
    token = (await app.arm.post("onlineEndpoints/digits/token")).json()
    assert list(token) == ["accessToken", "tokenType", "expiryTimeUtc", "refreshAfterTimeUtc"]
    refused = await app.arm.post("onlineEndpoints/digits/regenerateKeys", json={"keyType": "Primary"})
    assert refused.status_code == 400


async def test_an_online_deployment(app: App) -> None:
    serve_at_once(app)
    await wait_for(app, await put_endpoint(app))
    answer = await deploy(app, instanceType="Standard_DS2_V2")

    deployment = answer.json()
    given = {name: deployment["properties"].pop(name) for name in ("codeConfiguration", "environmentId", "model")}
    assert all(given.values())
    probe = {
        "initialDelay": "PT10S",
        "period": "PT10S",
        "timeout": "PT2S",
        "failureThreshold": 30,
        "successThreshold": 1,
    }
    assert deployment["properties"] == {
        "description": None,
        "properties": {"AzureAsyncOperationUri": answer.headers["azure-asyncoperation"]},
        "environmentVariables": {},
        "scaleSettings": {"scaleType": "Default"},
        "requestSettings": {"maxQueueWait": "PT0S", "requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1},
        "modelMountPath": None,
        "appInsightsEnabled": False,
        "livenessProbe": probe,
        "readinessProbe": probe,
        "provisioningState": "Creating",
        "instanceType": "Standard_DS2_V2",
        "privateNetworkConnection": False,
        "egressPublicNetworkAccess": "Enabled",
        "dataCollector": None,
        "endpointComputeType": "Managed",
    }
    assert deployment.keys() == {"id", "name", "type", "properties", "systemData", "tags", "location", "kind", "sku"}
    await wait_for(app, answer)
    written_back = (await get(app, "onlineEndpoints/digits/deployments/blue"))["properties"]["properties"]
    again = await deploy(app, properties=written_back)
    assert (again.status_code, again.json()["properties"]["provisioningState"]) == (201, "Updating")


async def test_a_batch_endpoint(app: App) -> None:
    body = {"properties": {"authMode": "aadToken", "properties": {"mine": "1"}}}
    answer = await app.arm.put("batchEndpoints/digits?api-version=2023-10-01", json=body)
    await wait_for(app, answer)
    endpoint = await get(app, "batchEndpoints/digits")

    expected = {
        "description": None,
        "properties": {
            "mine": "1",
            "BatchEndpointCreationApiVersion": "2023-10-01",
            "azureml.onlineendpointid": endpoint["id"],
        },
        "scoringUri": None,
        "swaggerUri": None,
        "authMode": "AADToken",
        "defaults": {"deploymentName": None},
        "provisioningState": "Creating",
    }
    assert answer.json()["properties"] == expected
    address = "https://digits.eastus.inference.ml.azure.com/jobs"
    assert endpoint["properties"] == {**expected, "provisioningState": "Succeeded", "scoringUri": address}
    assert endpoint.keys() == {"id", "name", "type", "properties", "systemData", "tags", "location"}


@pytest.mark.parametrize(("first", "then"), [("online", "batch"), ("batch", "online")])
async def test_a_name_is_of_one_endpoint(app: App, first: str, then: str) -> None:
    modes = {"online": "Key", "batch": "AADToken"}
    for kind, status in ((first, 201), (then, 400)):
        answer = await app.arm.put(f"{kind}Endpoints/digits", json={"properties": {"authMode": modes[kind]}})
        assert answer.status_code == status
    assert "There is already an endpoint with this name" in answer.text


async def test_enumerations_are_shown_in_the_services_case(app: App) -> None:
    serve_at_once(app)
    body = {"identity": {"type": "systemAssigned"}, "properties": {"authMode": "key"}}
    endpoint = await app.arm.put("onlineEndpoints/digits", json=body)
    await wait_for(app, endpoint)
    deployment = (await deploy(app, endpointComputeType="managed")).json()
    workspace = app.context.settings.workspace_id
    await wait_for(app, await app.arm.put("batchEndpoints/b-1", json={"properties": {"authMode": "aadToken"}}))
    settings = {
        "model": {"referenceType": "Id", "assetId": f"{workspace}/models/echo/versions/1"},
        "codeConfiguration": {"codeId": f"{workspace}/codes/score/versions/1", "scoringScript": "score.py"},
        "environmentId": f"{workspace}/environments/scoring/versions/1",
        "compute": f"{workspace}/computes/cpu-cluster",
        "loggingLevel": "info",
        "outputAction": "appendRow",
        "resources": {"instanceCount": 2, "properties": {}},
    }
    batch = (await app.arm.put("batchEndpoints/b-1/deployments/d-1", json={"properties": settings})).json()

    assert (endpoint.json()["identity"]["type"], endpoint.json()["properties"]["authMode"]) == ("SystemAssigned", "Key")
    assert deployment["properties"]["endpointComputeType"] == "Managed"
    assert (batch["properties"]["loggingLevel"], batch["properties"]["outputAction"]) == ("Info", "AppendRow")
    assert batch["properties"]["deploymentConfiguration"] is None
    assert batch["properties"]["resources"] == {
        "instanceCount": 2,
        "maxInstanceCount": None,
        "instanceType": None,
        "locations": None,
        "properties": None,
    }
    assert batch.keys() == {"id", "name", "type", "properties", "systemData", "tags", "location"}
