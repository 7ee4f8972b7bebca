"""The control API with real clients: broken connections, recorded requests, reset."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import urllib3
from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential, WorkloadIdentityCredential
from azure.storage.blob import ContainerClient

from azureml_emulator import EmulatorError, EmulatorInfo, running_emulator
from azureml_emulator.test_control.behaviours import Behaviour
from azureml_emulator.test_control.client import Control
from azureml_emulator.test_control.faults import (
    Answer,
    Delay,
    EndOperation,
    ExpireToken,
    Fault,
    HoldOperation,
    Reset,
    Truncate,
)
from azureml_rest import Workspace, signed_in_workspace

BLOBS = "*.blob.core.windows.net/*"
SAMPLE = {"images": ["AAA=", "BBB="], "predicted": [3, 7]}


@pytest.fixture(scope="module")
def controlled() -> Iterator[EmulatorInfo]:
    """An emulator under control, and this process its client."""
    with (
        running_emulator(arguments=["--control", "--scoring", "instant", "--retry-after", "1"]) as info,
        pytest.MonkeyPatch.context() as env,
    ):
        for name, value in info.environment.items():
            env.setenv(name, value)
        yield info


@pytest.fixture
def control(controlled: EmulatorInfo) -> Iterator[Control]:
    """Its control API, from a fresh start."""
    with Control(controlled) as control:
        control.reset()
        yield control


@pytest.fixture
def workspace(controlled: EmulatorInfo, control: Control) -> Iterator[Workspace]:
    """Its workspace, asked by hand; signing in is not recorded."""
    with signed_in_workspace(controlled) as workspace:
        control.clear_requests()
        yield workspace


@pytest.fixture
def session(workspace: Workspace) -> Iterator[requests.Session]:
    """What the SDK sends its requests with, signed in."""
    with requests.Session() as session:
        session.headers["authorization"] = workspace.http.headers["authorization"]
        yield session


@pytest.fixture
def credential(controlled: EmulatorInfo) -> ClientSecretCredential:
    """The application's credential."""
    environment = controlled.environment
    return ClientSecretCredential(
        environment["AZ_TENANT_ID"], environment["AZ_CLIENT_ID"], environment["AZ_CLIENT_SECRET"]
    )


@pytest.fixture
def sdk(controlled: EmulatorInfo, credential: ClientSecretCredential) -> MLClient:
    """The real SDK."""
    return MLClient(
        credential,
        controlled.environment["AZ_SUBSCRIPTION_ID"],
        controlled.resource_group,
        controlled.workspace,
        enable_telemetry=False,
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "sample.json").write_text(json.dumps(SAMPLE))
    return folder


def deploy(sdk: MLClient, model: Path) -> None:
    """What an SDK user does, from a folder to a live endpoint."""
    code = model.parent / "code"
    code.mkdir(exist_ok=True)
    (code / "score.py").write_text("# never run\n")
    conda = {"dependencies": ["python=3.11", {"pip": ["no-such-package-anywhere"]}]}
    registered = sdk.models.create_or_update(Model(name="digits", path=model, type="custom_model"))
    environment = Environment(name="scoring", version="1", image="an/image", conda_file=conda)
    environment = sdk.environments.create_or_update(environment)
    endpoint = ManagedOnlineEndpoint(name="digits", auth_mode="key")
    endpoint = sdk.online_endpoints.begin_create_or_update(endpoint).result()
    deployment = ManagedOnlineDeployment(
        name="blue",
        endpoint_name="digits",
        model=registered.id,
        environment=environment.id,
        code_configuration=CodeConfiguration(code=str(code), scoring_script="score.py"),
        instance_type="Standard_DS3_v2",
        instance_count=1,
    )
    sdk.online_deployments.begin_create_or_update(deployment).result()
    endpoint.traffic = {"blue": 100}
    sdk.online_endpoints.begin_create_or_update(endpoint).result()


def put_model(session: requests.Session, workspace: Workspace) -> requests.Response:
    body = {"properties": {"modelUri": "azureml://datastores/workspaceblobstore/paths/a"}}
    return session.put(f"{workspace.url}/models/digits/versions/1", json=body, timeout=120)


def is_registered(session: requests.Session, workspace: Workspace) -> bool:
    return session.get(f"{workspace.url}/models/digits/versions/1", timeout=120).status_code == 200


def innermost(error: BaseException) -> BaseException:
    """What really happened: urllib3 calls a connection that breaks behind a proxy the proxy's fault."""
    while inner := error.__cause__ or error.__context__ or getattr(error, "reason", None):
        error = inner
    return error


def test_a_reset_before_the_effect(control: Control, session: requests.Session, workspace: Workspace) -> None:
    control.set_faults([Reset(method="PUT")])

    with pytest.raises(requests.ConnectionError) as caught:
        put_model(session, workspace)

    # OpenSSL may take the reset for an end, and http.client names that RemoteDisconnected: a ConnectionResetError, too.
    assert isinstance(innermost(caught.value), ConnectionResetError)
    assert not is_registered(session, workspace)


def test_a_reset_is_a_tcp_reset(control: Control, controlled: EmulatorInfo) -> None:
    control.set_faults([Reset()])
    proxy, host = urlsplit(controlled.proxy_url), b"management.azure.com"
    with socket.create_connection((proxy.hostname, proxy.port), timeout=120) as plain:
        plain.sendall(b"CONNECT %s:443 HTTP/1.1\r\n\r\n" % host)
        assert b"200" in plain.recv(1000)
        with ssl.create_default_context(cafile=controlled.ca_file).wrap_socket(
            plain.dup(), server_hostname=host.decode()
        ) as tls:
            tls.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host)
            with pytest.raises(ConnectionResetError):
                while plain.recv(1000):
                    pass  # TLS session tickets


def test_the_connection_ends_after_the_effect(
    control: Control, session: requests.Session, workspace: Workspace
) -> None:
    control.set_faults([Reset(method="PUT", after_effect=True)])

    with pytest.raises(requests.ConnectionError) as caught:
        put_model(session, workspace)

    assert isinstance(innermost(caught.value), http.client.RemoteDisconnected)
    assert is_registered(session, workspace)


def test_a_truncated_answer(control: Control, session: requests.Session, workspace: Workspace) -> None:
    control.set_faults([Truncate(method="PUT")])

    with pytest.raises(requests.exceptions.ChunkedEncodingError) as caught:
        put_model(session, workspace)

    assert isinstance(caught.value.args[0], urllib3.exceptions.ProtocolError)
    assert isinstance(caught.value.args[0].args[1], urllib3.exceptions.IncompleteRead)
    assert is_registered(session, workspace)


@pytest.mark.parametrize("fault", [Reset(), Reset(after_effect=True), Truncate()])
def test_every_host_can_lose_its_connection(
    control: Control, session: requests.Session, workspace: Workspace, sdk: MLClient, model: Path, fault: Fault
) -> None:
    deploy(sdk, model)
    sas = workspace.sign_blobs()
    container = f"https://azuremlemulator.blob.core.windows.net/azureml-blobstore?{sas}&restype=container&comp=list"
    key = {"authorization": f"Bearer {workspace.post('onlineEndpoints/digits/listKeys')['primaryKey']}"}
    token = f"https://login.microsoftonline.com/{workspace.emulator.environment['AZ_TENANT_ID']}/oauth2/v2.0/token"
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", workspace.url, {}),
        ("POST", token, {}),
        ("POST", "https://digits.eastus.inference.ml.azure.com/score", {"headers": key, "json": SAMPLE}),
        ("GET", container, {"headers": {"authorization": None}}),
    ]
    for method, url, more in asked:
        session.request(method, url, **more, timeout=120)
        control.set_faults([fault])
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            session.request(method, url, **more, timeout=120)
        session.request(method, url, **more, timeout=120)
    hit = [recorded for recorded in control.requests() if recorded.fault]
    assert [recorded.target.split("/")[0] for recorded in hit] == [
        "management.azure.com",
        "login.microsoftonline.com",
        "digits.eastus.inference.ml.azure.com",
        "azuremlemulator.blob.core.windows.net",
    ]
    assert all((recorded.status is None) == isinstance(fault, Reset) for recorded in hit)


def test_the_sdk_takes_a_model_to_an_instant_endpoint(control: Control, sdk: MLClient, model: Path) -> None:
    deploy(sdk, model)

    seen = control.requests()
    made = {(recorded.method, recorded.target.rpartition("/local/")[2]) for recorded in seen}
    assert {
        ("PUT", "models/digits/versions/1"),
        ("PUT", "onlineEndpoints/digits"),
        ("PUT", "onlineEndpoints/digits/deployments/blue"),
    } <= made
    uploads = [recorded for recorded in seen if recorded.method == "PUT" and ".blob." in recorded.target]
    assert {"sample.json", "score.py"} <= {recorded.target.rpartition("/")[2] for recorded in uploads}
    assert {recorded.fault for recorded in seen} == {None}
    key = sdk.online_endpoints.get_keys("digits").primary_key
    answer = requests.post(
        "https://digits.eastus.inference.ml.azure.com/score",
        json={"images": ["BBB=", "AAA="]},
        headers={"authorization": f"Bearer {key}"},
        timeout=120,
    )
    assert answer.json() == {"predictions": [{"index": 7}, {"index": 3}]}
    text = json.dumps([recorded.to_dict() for recorded in control.requests()])
    assert "sig=" not in text
    assert key not in text


def test_the_same_requests_after_every_reset(control: Control, sdk: MLClient, model: Path) -> None:
    runs = []
    sdk.workspaces.get(sdk.workspace_name)  # signs in
    for _ in range(2):
        control.reset()
        deploy(sdk, model)
        # How often an operation is polled is a matter of time.
        runs.append([(r.method, r.pattern) for r in control.requests() if "/mfeOperations" not in r.target])

    assert runs[0] == runs[1]


def test_a_token_expires_and_the_sdk_says_so(control: Control, sdk: MLClient) -> None:
    sdk.models.list("digits")
    control.set_faults([ExpireToken(path="management.azure.com/*")])

    with pytest.raises(HttpResponseError) as caught:
        sdk.workspaces.get(sdk.workspace_name)

    assert caught.value.status_code == 401


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (EndOperation(code="OutOfQuota", message="No cores left."), ["OutOfQuota", "No cores left."]),
        (EndOperation(status="Canceled"), []),
    ],
)
def test_an_operation_fails_or_is_canceled(
    control: Control, sdk: MLClient, model: Path, fault: EndOperation, said: list[str]
) -> None:
    control.set_faults([type(fault)(**{**vars(fault), "method": "PUT", "path": "*/deployments/blue"})])

    with pytest.raises(HttpResponseError) as caught:
        deploy(sdk, model)

    assert all(word in str(caught.value) for word in said)
    assert sdk.online_deployments.get("blue", "digits").provisioning_state == fault.status


def test_a_held_operation_continues_after_its_release(control: Control, workspace: Workspace) -> None:
    control.set_faults([HoldOperation(method="PUT")])
    creating = workspace.put("onlineEndpoints/digits", authMode="Key")
    for _ in range(5):
        assert workspace.get("onlineEndpoints/digits")["properties"]["provisioningState"] == "Creating"

    control.release_operations()

    assert workspace.wait(creating)["status"] == "Succeeded"


def test_the_sdk_retries_what_a_service_asks_it_to(control: Control, sdk: MLClient) -> None:
    control.set_faults([Answer(status=503), Answer(nth=2, status=429, headers={"Retry-After": "0"}), Delay(nth=3)])

    assert sdk.workspaces.get(sdk.workspace_name).name == sdk.workspace_name
    assert [recorded.status for recorded in control.requests() if "/local" in recorded.target][-1] == 200


def test_blobs_pass_through_unchanged(control: Control, workspace: Workspace) -> None:
    sas = workspace.sign_blobs()
    content, name = secrets.token_bytes(70_000_000), "a folder/x%20[1]+\u00e9.bin"
    with ContainerClient.from_container_url(
        f"https://azuremlemulator.blob.core.windows.net/azureml-blobstore?{sas}"
    ) as container:
        blob = container.upload_blob(name, content, metadata={"made": "here"})

        assert blob.get_blob_properties().metadata == {"made": "here"}
        assert [found.name for found in container.list_blobs()] == [name]
        assert blob.download_blob(offset=5, length=10).readall() == content[5:15]
        assert blob.download_blob().readall() == content
        control.reset()
        assert list(container.list_blobs()) == []

        control.set_faults([Answer(path=BLOBS, status=403)])
        with pytest.raises(HttpResponseError) as caught:
            list(container.list_blobs())
    assert (caught.value.status_code, caught.value.error_code) == (403, "AuthorizationPermissionMismatch")


def test_a_deployment_fails_as_often_as_injected(
    control: Control, sdk: MLClient, workspace: Workspace, model: Path
) -> None:
    deploy(sdk, model)
    control.set_behaviours([Behaviour(deployment="blue", from_request=3, every=2, status=503)])

    answers = [workspace.ask("blue", SAMPLE) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200, 200, 424, 200, 424, 200]
    control.clear_behaviours()
    assert workspace.ask("blue", SAMPLE).status_code == 200


def test_an_image_build_that_fails_leaves_its_log(
    control: Control, sdk: MLClient, credential: ClientSecretCredential, model: Path
) -> None:
    fault = EndOperation(method="PUT", path="*/deployments/blue", code="ImageBuildFailure", message="No such package.")
    control.set_faults([fault])

    with pytest.raises(HttpResponseError, match="ImageBuildFailure") as caught:
        deploy(sdk, model)

    said = re.search(r"blob store '(.+)' under the path '/azureml/(.+)'", str(caught.value))
    assert said is not None
    with ContainerClient(f"https://{said[1]}.blob.core.windows.net", "azureml", credential) as container:
        assert container.download_blob(said[2]).readall() == b"No such package."


def test_traffic_is_mirrored_and_measured(control: Control, sdk: MLClient, workspace: Workspace, model: Path) -> None:
    deploy(sdk, model)
    blue = sdk.online_deployments.get("blue", "digits")
    blue.name = "green"
    sdk.online_deployments.begin_create_or_update(blue).result()
    endpoint = sdk.online_endpoints.get("digits")
    endpoint.mirror_traffic = {"green": 50}
    assert sdk.online_endpoints.begin_create_or_update(endpoint).result().mirror_traffic == {"green": 50}
    # The mirror fails, and nobody who asks the endpoint sees it.
    control.set_behaviours([Behaviour(deployment="green", status=500)])
    key = {"authorization": f"Bearer {workspace.post('onlineEndpoints/digits/listKeys')['primaryKey']}"}
    started = datetime.now(UTC)

    answers = [workspace.http.post(endpoint.scoring_uri, json=SAMPLE, headers=key) for _ in range(60)]

    assert {(answer.status_code, answer.headers["azureml-model-deployment"]) for answer in answers} == {(200, "blue")}
    # As the minutes go on: it may take one or two.
    until = datetime.now(UTC) + timedelta(minutes=2)
    query = {
        "api-version": "2018-01-01",
        "metricnames": "RequestsPerMinute",
        "timespan": f"{started:%Y-%m-%dT%H:%M:%SZ}/{until:%Y-%m-%dT%H:%M:%SZ}",
        "aggregation": "Total",
        "$filter": "deployment eq '*' and statusCodeClass eq '*'",
    }
    url = f"{workspace.url}/onlineEndpoints/digits/providers/Microsoft.Insights/metrics"
    metric = workspace.http.get(url, params=query).raise_for_status().json()["value"][0]
    counts = {
        tuple(value["value"] for value in series["metadatavalues"]): sum(
            point.get("total", 0) for point in series["data"]
        )
        for series in metric["timeseries"]
    }
    assert counts.keys() == {("blue", "2xx"), ("green", "4xx")}
    assert counts["blue", "2xx"] == 60
    assert 10 < counts["green", "4xx"] < 50


def test_workload_identity_signs_in(controlled: EmulatorInfo, sdk: MLClient) -> None:
    credential = WorkloadIdentityCredential(
        tenant_id=controlled.environment["AZ_TENANT_ID"],
        client_id=controlled.environment["AZ_CLIENT_ID"],
        token_file_path=controlled.federated_token_file,
    )
    client = MLClient(credential, sdk.subscription_id, sdk.resource_group_name, sdk.workspace_name)

    assert client.workspaces.get(sdk.workspace_name).name == sdk.workspace_name
    token = Path(controlled.federated_token_file).read_text()
    assert not any(token in value or "FEDERATED" in name for name, value in controlled.environment.items())
    assert Path(controlled.federated_token_file).stat().st_mode & 0o077 == 0


def test_an_expired_secret(control: Control, workspace: Workspace) -> None:
    control.expire_client_secret()
    assert workspace.sign_in().json()["error_codes"] == [7000222]

    control.expire_client_secret(expired=False)
    assert workspace.sign_in().status_code == 200


def test_an_invalid_fault_plan_is_one_error(control: Control) -> None:
    with pytest.raises(EmulatorError, match="PUT /faults: status 400"):
        control.set_faults([_Odd()])


class _Odd(Fault):
    kind = "odd"


def test_the_control_api_is_off_by_default(controlled: EmulatorInfo) -> None:
    with pytest.raises(EmulatorError, match="--control"):
        Control(replace(controlled, control_url="", control_token=""))


def test_the_token_is_not_shown(controlled: EmulatorInfo) -> None:
    assert controlled.control_token
    assert controlled.control_token not in repr(controlled)
