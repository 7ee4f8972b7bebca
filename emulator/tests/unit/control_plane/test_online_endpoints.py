from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from azureml_emulator.arm.durations import duration_seconds, probe_seconds
from azureml_emulator.arm.errors import ArmError
from azureml_emulator.control_plane import online_deployments, online_endpoints
from azureml_emulator.control_plane.online_endpoints import checked_mirror_traffic, checked_traffic
from emulator_app import App
from endpoint_requests import deploy, operation_of, put_endpoint, serve_at_once


@pytest.mark.anyio
async def test_an_endpoint_is_created(app: App) -> None:
    answer = await put_endpoint(app)

    assert answer.status_code == 201
    assert answer.json()["properties"]["provisioningState"] == "Creating"
    assert answer.json()["properties"]["scoringUri"] is None
    assert (await operation_of(app, answer))["status"] == "Succeeded"
    endpoint = (await app.arm.get("onlineEndpoints/digits")).json()
    assert endpoint["properties"]["provisioningState"] == "Succeeded"
    assert endpoint["properties"]["scoringUri"] == "https://digits.eastus.inference.ml.azure.com/score"
    assert endpoint["identity"]["principalId"]
    assert (await app.arm.get(answer.headers["location"])).json() == endpoint
    assert (answer.headers["location"].partition("?")[0]).endswith("/workspaces/local/onlineEndpoints/digits")


@pytest.mark.anyio
async def test_an_endpoint_is_busy_until_its_operation_ends(app: App) -> None:
    hold = asyncio.Event()

    async def wait(_endpoint: str) -> None:
        await hold.wait()

    app.context.operations.define("put-online-endpoint", wait)
    first = await put_endpoint(app)

    second = await put_endpoint(app)

    assert (second.status_code, second.json()["error"]["code"]) == (409, "Conflict")
    assert (await app.arm.get(first.headers["location"])).json()["properties"]["provisioningState"] == "Creating"
    hold.set()
    assert (await operation_of(app, first))["status"] == "Succeeded"


@pytest.mark.anyio
async def test_put_without_traffic_takes_the_traffic_away(app: App) -> None:
    serve_at_once(app)
    await operation_of(app, await put_endpoint(app))
    await operation_of(app, await deploy(app))
    await operation_of(app, await put_endpoint(app, traffic={"blue": 100}))
    before = (await app.arm.get("onlineEndpoints/digits")).json()

    await operation_of(app, await put_endpoint(app))

    after = (await app.arm.get("onlineEndpoints/digits")).json()
    assert (before["properties"]["traffic"], after["properties"]["traffic"]) == ({"blue": 100}, {})
    assert after["identity"] == before["identity"]
    assert after["systemData"]["createdAt"] == before["systemData"]["createdAt"]


@pytest.mark.parametrize(
    ("traffic", "checked"),
    [
        ({}, {}),
        ({"blue": 0}, {"blue": 0}),
        ({"BLUE": 100}, {"blue": 100}),
        ({"blue": 90, "green": 10}, {"blue": 90, "green": 10}),
    ],
)
def test_valid_traffic(traffic: dict[str, Any], checked: dict[str, int]) -> None:
    assert checked_traffic(traffic, ["blue", "green"]) == checked


@pytest.mark.parametrize(
    ("traffic", "said"),
    [
        ({"red": 100}, "red"),
        ({"blue": 50}, "50"),
        ({"blue": 100, "green": 100}, "200"),
        ({"blue": -10, "green": 110}, "-10"),
        ({"blue": 99.5}, "99.5"),
        ({"blue": True}, "True"),
    ],
)
def test_invalid_traffic(traffic: dict[str, Any], said: str) -> None:
    with pytest.raises(ArmError, match=said) as caught:
        checked_traffic(traffic, ["blue", "green"])

    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("mirror", "checked"), [({}, {}), ({"blue": 0}, {"blue": 0}), ({"GREEN": 50, "red": 0}, {"green": 50, "red": 0})]
)
def test_valid_mirrored_traffic(mirror: dict[str, Any], checked: dict[str, int]) -> None:
    assert checked_mirror_traffic(mirror, {"blue": 100, "green": 0}, ["blue", "green", "red"]) == checked


@pytest.mark.parametrize(
    ("mirror", "said"),
    [
        ({"none": 10}, "none"),
        ({"green": 51}, "51"),
        ({"green": 10, "red": 10}, "one deployment only"),
        ({"blue": 10}, "live traffic"),
        ({"green": "10"}, "10"),
    ],
)
def test_invalid_mirrored_traffic(mirror: dict[str, Any], said: str) -> None:
    with pytest.raises(ArmError, match=said) as caught:
        checked_mirror_traffic(mirror, {"blue": 90, "green": 0}, ["blue", "green", "red"])

    assert caught.value.status == 400


@pytest.mark.anyio
async def test_a_deployment_with_mirrored_traffic_cannot_be_deleted(app: App) -> None:
    serve_at_once(app)
    await operation_of(app, await put_endpoint(app))
    for name in ("blue", "green"):
        await operation_of(app, await deploy(app, name))
    answer = await put_endpoint(app, traffic={"blue": 100}, mirrorTraffic={"green": 10})
    await operation_of(app, answer)

    refused = await app.arm.delete("onlineEndpoints/digits/deployments/green")

    endpoint = (await app.arm.get("onlineEndpoints/digits")).json()
    assert endpoint["properties"]["mirrorTraffic"] == {"green": 10}
    assert refused.status_code == 202
    assert (await operation_of(app, refused))["error"]["code"] == "InferencingClientCallFailed"
    # As with traffic: what a PUT does not say is gone.
    await operation_of(app, await put_endpoint(app, traffic={"blue": 100}))
    assert (await app.arm.delete("onlineEndpoints/digits/deployments/green")).status_code == 202


@pytest.mark.anyio
async def test_nothing_is_deployed_to_an_endpoint_that_is_being_changed(app: App) -> None:
    hold = asyncio.Event()

    async def wait(_endpoint: str) -> None:
        await hold.wait()

    app.context.operations.define("put-online-endpoint", wait)
    creating = await put_endpoint(app)

    refused = await deploy(app)

    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "Conflict")
    assert refused.json()["error"]["message"] == (
        "Cannot create a deployment in endpoint digits because it is in Creating provisioning state."
    )
    hold.set()
    await operation_of(app, creating)
    assert (await deploy(app)).status_code == 201


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("ab", {"properties": {"authMode": "Key"}}, 400),
        ("1digits", {"properties": {"authMode": "Key"}}, 400),
        ("digits-", {"properties": {"authMode": "Key"}}, 400),
        ("digits", {"properties": {}}, 400),
        ("digits", {"properties": {"authMode": "Key", "traffic": {"blue": 100}}}, 400),
        ("digits", {"properties": {"authMode": "Key", "traffic": [1]}}, 400),
        ("digits", {"properties": {"authMode": "Key", "keys": {"primaryKey": 1}}}, 400),
        ("digits", {"properties": {"authMode": "Key"}, "identity": "me"}, 400),
        ("digits", {"properties": {"authMode": "Key", "mirrorTraffic": {"blue": 10}}}, 400),
    ],
)
async def test_invalid_endpoints_are_refused(app: App, name: str, body: dict[str, Any], status: int) -> None:
    assert (await app.arm.put(f"onlineEndpoints/{name}", json=body)).status_code == status


@pytest.mark.anyio
async def test_the_identity_cannot_change(app: App) -> None:
    await operation_of(app, await put_endpoint(app))

    answer = await app.arm.put(
        "onlineEndpoints/digits", json={"properties": {"authMode": "Key"}, "identity": {"type": "UserAssigned"}}
    )

    assert answer.status_code == 400


@pytest.mark.anyio
async def test_keys(app: App) -> None:
    await operation_of(app, await put_endpoint(app))
    first = (await app.arm.post("onlineEndpoints/digits/listKeys")).json()
    await put_endpoint(app)
    assert (await app.arm.post("onlineEndpoints/digits/listKeys")).json() == first

    # As the SDK asks: with the key as it is.
    body = {"keyType": "Primary", "keyValue": first["primaryKey"]}
    answer = await app.arm.post("onlineEndpoints/digits/regenerateKeys", json=body)

    assert (await operation_of(app, answer))["status"] == "Succeeded"
    second = (await app.arm.post("onlineEndpoints/digits/listKeys")).json()
    assert second["secondaryKey"] == first["secondaryKey"]
    assert len({*first.values(), *second.values()}) == 3
    assert (await app.arm.post("onlineEndpoints/digits/token")).status_code == 400
    assert (await app.arm.post("onlineEndpoints/none/listKeys")).status_code == 404


@pytest.mark.anyio
async def test_a_deployment_with_traffic_cannot_be_deleted(app: App) -> None:
    serve_at_once(app)
    await operation_of(app, await put_endpoint(app))
    for name in ("blue", "green"):
        await operation_of(app, await deploy(app, name))
    await operation_of(app, await put_endpoint(app, traffic={"blue": 100, "green": 0}))

    refused = await app.arm.delete("onlineEndpoints/digits/deployments/blue")
    assert refused.status_code == 202
    operation = await operation_of(app, refused)
    assert (operation["status"], operation["error"]["code"]) == ("Failed", "InferencingClientCallFailed")
    assert operation["error"]["message"] == (
        '"Can\'t delete deployment [blue] with non-zero traffic weight, Current traffic [100]."'
    )
    blue = (await app.arm.get("onlineEndpoints/digits/deployments/blue")).json()
    assert blue["properties"]["provisioningState"] == "Succeeded"
    await operation_of(app, await app.arm.delete("onlineEndpoints/digits/deployments/green"))
    listed = (await app.arm.get("onlineEndpoints/digits/deployments")).json()["value"]
    assert [deployment["name"] for deployment in listed] == ["blue"]
    assert (await app.arm.delete("onlineEndpoints/digits/deployments/green")).status_code == 204


@pytest.mark.anyio
async def test_deleting_an_endpoint_cancels_and_removes_its_deployments(app: App) -> None:
    async def never(_deployment: str) -> None:
        await asyncio.Event().wait()

    app.context.operations.define(online_deployments.PUT, never)
    await operation_of(app, await put_endpoint(app))
    creating = await deploy(app)
    assert (await deploy(app)).status_code == 409

    await operation_of(app, await app.arm.delete("onlineEndpoints/digits"))

    assert (await operation_of(app, creating))["status"] == "Canceled"
    assert (await app.arm.get("onlineEndpoints/digits/deployments/blue")).status_code == 404
    assert (await app.arm.delete("onlineEndpoints/digits")).status_code == 204


@pytest.mark.anyio
async def test_a_second_deletion_is_the_one_in_progress(app: App) -> None:
    await operation_of(app, await put_endpoint(app))

    first = await app.arm.delete("onlineEndpoints/digits")
    second = await app.arm.delete("onlineEndpoints/digits")

    assert (first.status_code, second.status_code) == (202, 202)
    assert (await operation_of(app, second))["status"] == "Succeeded"
    assert (await operation_of(app, first))["status"] == "Succeeded"


@pytest.mark.anyio
async def test_a_deployment_has_all_that_clients_read(app: App) -> None:
    serve_at_once(app)
    await operation_of(app, await put_endpoint(app))

    answer = await deploy(app, readinessProbe={"initialDelay": "PT1S", "period": None})

    properties = answer.json()["properties"]
    assert properties["scaleSettings"] == {"scaleType": "Default"}
    assert properties["readinessProbe"]["initialDelay"] == "PT1S"
    assert properties["readinessProbe"]["period"] == "PT10S"
    assert properties["provisioningState"] == "Creating"
    assert answer.json()["sku"] == {"name": "Default", "tier": "Standard", "capacity": 1}
    (sku,) = (await app.arm.get("onlineEndpoints/digits/deployments/blue/skus")).json()["value"]
    assert sku["capacity"] == {"minimum": 1, "maximum": 50, "default": 1, "scaleType": "Automatic"}


@pytest.mark.anyio
async def test_what_a_deployment_collects_is_stored_in_the_services_case(app: App) -> None:
    await operation_of(app, await put_endpoint(app))
    collections = {"request": {"dataCollectionMode": "enabled", "samplingRate": 0.5}, "response": {}}

    answer = await deploy(app, dataCollector={"collections": collections, "rollingRate": "day"})

    assert answer.json()["properties"]["dataCollector"] == {
        "collections": {
            "request": {"dataCollectionMode": "Enabled", "samplingRate": 0.5},
            "response": {"dataCollectionMode": "Disabled"},
        },
        "rollingRate": "Day",
    }


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"model": "/no/such/model"}, 404, "/no/such/model"),
        ({"environmentId": "/x/environments/gone/versions/1"}, 404, "environments/gone"),
        ({"codeConfiguration": None, "environmentId": None}, 400, "only MLflow and Triton models"),
        ({"codeConfiguration": None, "environmentId": None, "model": None}, 400, "only MLflow and Triton models"),
        ({"codeConfiguration": None}, 501, "only some of code"),
        ({"environmentId": None}, 501, "only some of code"),
        ({"endpointComputeType": "Kubernetes"}, 400, "Kubernetes"),
        ({"endpointComputeType": "AzureMLCompute"}, 400, "AzureMLCompute"),
        ({"readinessProbe": {"period": "10s"}}, 400, "10s"),
        ({"requestSettings": {"requestTimeout": "soon"}}, 400, "soon"),
        ({"requestSettings": {"maxConcurrentRequestsPerInstance": 0}}, 400, "maxConcurrentRequestsPerInstance"),
        ({"requestSettings": {"maxConcurrentRequestsPerInstance": "2"}}, 400, "maxConcurrentRequestsPerInstance"),
        ({"dataCollector": {"collections": ["request"]}}, 400, "collections"),
        ({"dataCollector": {"collections": {"request": {"samplingRate": 2}}}}, 400, "samplingRate"),
        ({"codeConfiguration": "score.py"}, 400, "codeConfiguration"),
        ({"environmentId": 1}, 400, "environmentId"),
        ({"environmentVariables": ["A=1"]}, 400, "environmentVariables"),
        ({"readinessProbe": {"failureThreshold": "often"}}, 400, "often"),
        ({"readinessProbe": {"period": 10}}, 400, "10"),
        ({"model": 1}, 400, "model"),
    ],
)
async def test_invalid_deployments_are_refused(app: App, changed: dict[str, Any], status: int, said: str) -> None:
    await operation_of(app, await put_endpoint(app))

    answer = await deploy(app, **changed)

    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


@pytest.mark.anyio
@pytest.mark.parametrize("script", ["../score.py", "/score.py"])
async def test_the_scoring_script_is_in_the_code_folder(app: App, script: str) -> None:
    await operation_of(app, await put_endpoint(app))
    code = f"{app.context.settings.workspace_id}/codes/score/versions/1"

    answer = await deploy(app, codeConfiguration={"codeId": code, "scoringScript": script})

    assert answer.status_code == 400


@pytest.mark.anyio
async def test_a_deployment_that_cannot_be_built_fails_with_the_reason(app: App) -> None:
    await operation_of(app, await put_endpoint(app))
    await app.arm.put(
        "environments/gpu/versions/1",
        json={"properties": {"image": "an/image", "condaFile": "dependencies: [gcc=11]"}},
    )
    environment = f"{app.context.settings.workspace_id}/environments/gpu/versions/1"

    operation = await operation_of(app, await deploy(app, environmentId=environment))

    assert operation["status"] == "Failed"
    assert operation["error"]["code"] is None
    assert operation["error"]["message"].startswith("ImageBuildFailure: ")
    assert "gcc=11" in operation["error"]["message"]
    path = operation["error"]["message"].rpartition("under the path '")[2].removesuffix("'.")
    assert path.startswith("/azureml/ImageLogs/")
    log = await app.context.blobs.read(f"https://account.blob.core.windows.net{path}")
    assert log is not None
    assert b"gcc=11" in log
    deployment = (await app.arm.get("onlineEndpoints/digits/deployments/blue")).json()
    assert deployment["properties"]["provisioningState"] == "Failed"


@pytest.mark.anyio
async def test_there_is_no_deployment_without_an_endpoint(app: App) -> None:
    assert (await deploy(app)).status_code == 404


@pytest.mark.anyio
async def test_logs_are_the_end_of_the_servers_output(app: App) -> None:
    serve_at_once(app)
    await operation_of(app, await put_endpoint(app))
    await operation_of(app, await deploy(app))
    url = "onlineEndpoints/digits/deployments/blue/getLogs"
    empty = (await app.arm.post(url, json={})).json()["content"]
    assert empty.splitlines() == [
        "Instance status:",
        "SystemSetup: Succeeded",
        "UserContainerImagePull: Succeeded",
        "ModelDownload: Succeeded",
        "UserContainerStart: Succeeded",
        "",
        "Container logs:",
    ]
    log = app.context.servers.log(f"{app.context.settings.workspace_id}/onlineEndpoints/digits/deployments/blue")
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\nthree\n")

    assert (await app.arm.post(url, json={"tail": 2})).json() == {"content": f"{empty}two\nthree"}
    assert (await app.arm.post(url, json={"containerType": "StorageInitializer"})).json() == {"content": empty}
    assert (await app.arm.post(url, json={"tail": "many"})).status_code == 400


@pytest.mark.parametrize(
    ("duration", "seconds"), [("PT10S", 10), ("PT1M30.5S", 90.5), ("P1DT1H", 90_000), ("P1D", 86_400), ("PT0S", 0)]
)
def test_durations(duration: str, seconds: float) -> None:
    assert duration_seconds(duration) == seconds


@pytest.mark.parametrize("duration", ["", "P", "PT", "10", "PT10", "10S", "P1Y"])
def test_invalid_durations_are_refused(duration: str) -> None:
    with pytest.raises(ArmError):
        duration_seconds(duration)


def test_a_probe_gives_up_after_its_failures() -> None:
    assert probe_seconds({"initialDelay": "PT5S", "period": "PT10S", "failureThreshold": 3}) == 35


def fail_first(app: App, kind: str) -> None:
    """Let the first operation of a kind fail, and the others succeed."""
    outcomes = iter([ArmError(400, "ResourceNotReady", "No.")])

    async def work(_resource: str) -> None:
        for error in outcomes:
            raise error

    app.context.operations.define(kind, work)


def refusal(answer: httpx.Response) -> str:
    """Return what a refusal of the inference service says, within all that is around it."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["message"]) == (400, "BadRequest", "The request is invalid.")
    (below,) = error["details"]
    assert below["code"] == "InferencingClientCallFailed"
    (said,) = json.loads(below["message"])["errors"][""]
    return str(said)


@pytest.mark.anyio
async def test_a_deployment_that_was_never_provisioned_cannot_be_updated(app: App) -> None:
    fail_first(app, online_deployments.PUT)
    await operation_of(app, await put_endpoint(app))
    assert (await operation_of(app, await deploy(app)))["status"] == "Failed"

    assert refusal(await deploy(app)) == (
        "Specified deployment [blue] failed during initial provisioning and is in an unrecoverable state. "
        "Delete and re-create."
    )
    await operation_of(app, await app.arm.delete("onlineEndpoints/digits/deployments/blue"))
    assert (await operation_of(app, await deploy(app)))["status"] == "Succeeded"


@pytest.mark.anyio
async def test_a_deployment_that_failed_at_an_update_can_be_updated(app: App) -> None:
    serve_at_once(app)
    await operation_of(app, await put_endpoint(app))
    await operation_of(app, await deploy(app))
    fail_first(app, online_deployments.PUT)
    assert (await operation_of(app, await deploy(app)))["status"] == "Failed"

    assert (await operation_of(app, await deploy(app)))["status"] == "Succeeded"


@pytest.mark.anyio
async def test_a_recreated_deployment_has_no_history(app: App) -> None:
    serve_at_once(app)
    await operation_of(app, await put_endpoint(app))
    await operation_of(app, await deploy(app))
    await operation_of(app, await app.arm.delete("onlineEndpoints/digits/deployments/blue"))
    fail_first(app, online_deployments.PUT)
    await operation_of(app, await deploy(app))

    assert "unrecoverable state" in refusal(await deploy(app))


@pytest.mark.anyio
async def test_an_endpoint_that_was_never_created_cannot_be_used(app: App) -> None:
    fail_first(app, online_endpoints.PUT)
    assert (await operation_of(app, await put_endpoint(app)))["status"] == "Failed"
    assert (await app.arm.get("onlineEndpoints/digits")).json()["properties"]["scoringUri"] is None

    assert refusal(await put_endpoint(app)) == (
        "Specified endpoint [digits] has not been created successfully. Please recreate the endpoint."
    )
    assert "Please recreate endpoint and then try again to create deployment." in refusal(await deploy(app))
    await operation_of(app, await app.arm.delete("onlineEndpoints/digits"))
    assert (await operation_of(app, await put_endpoint(app)))["status"] == "Succeeded"


@pytest.mark.anyio
async def test_an_endpoint_that_failed_at_an_update_can_be_updated(app: App) -> None:
    await operation_of(app, await put_endpoint(app))
    fail_first(app, online_endpoints.PUT)
    assert (await operation_of(app, await put_endpoint(app)))["status"] == "Failed"

    assert (await operation_of(app, await put_endpoint(app)))["status"] == "Succeeded"
