"""The whole emulator over REST: tokens, hosts, deployments, restarts."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_rest import SCORING_PACKAGE, Workspace, conda_file, signed_in_workspace

# Says which of its versions answers; with a gate, init() waits until that file is there.
SCORE = """
import json, os, time

def init():
    while not os.path.exists(os.environ.get("GATE", "/")):
        time.sleep(0.05)
    if "FAIL" in os.environ:
        raise ValueError(os.environ["FAIL"])

def run(data):
    time.sleep(json.loads(data).get("seconds", 0))
    return os.environ["VERSION"]
"""


@pytest.fixture(scope="module")
def workspace(emulator: EmulatorInfo) -> Iterator[Workspace]:
    """The emulator's workspace, with code and an environment to deploy."""
    with signed_in_workspace(emulator) as workspace:
        make_assets(workspace)
        yield workspace


@pytest.fixture
def endpoint(workspace: Workspace) -> Iterator[Workspace]:
    """The workspace with an endpoint `digits`."""
    workspace.wait(workspace.put("onlineEndpoints/digits", authMode="Key"))
    yield workspace
    workspace.wait(workspace.http.delete(f"{workspace.url}/onlineEndpoints/digits"))


def make_assets(workspace: Workspace) -> None:
    workspace.upload_code("versions", SCORE)
    workspace.put("environments/serving/versions/1", image="an/image", condaFile=conda_file(SCORING_PACKAGE))


def test_requests_need_a_valid_token(workspace: Workspace) -> None:
    token = workspace.sign_in().json()["access_token"]
    for_storage = workspace.sign_in(scope="https://storage.azure.com/.default").json()["access_token"]

    def ask(authorization: str) -> tuple[int, str]:
        answer = workspace.http.get(workspace.url, headers={"authorization": authorization})
        return answer.status_code, answer.json().get("error", {}).get("code", "")

    assert ask(f"Bearer {token}") == (200, "")
    assert ask(f"Bearer {token[:-4]}AAAA") == (401, "InvalidAuthenticationToken")
    assert ask("") == (401, "AuthenticationFailed")
    assert ask(f"Bearer {for_storage}") == (401, "InvalidAuthenticationTokenAudience")


def test_sign_in_needs_the_secret(workspace: Workspace) -> None:
    answer = workspace.sign_in(client_secret="wrong")

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_token_expires(tmp_path: Path) -> None:
    with running_emulator(arguments=["--token-seconds", "1"]) as emulator, signed_in_workspace(emulator) as workspace:
        while (answer := workspace.http.get(workspace.url)).status_code == 200:
            time.sleep(0.1)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "ExpiredAuthenticationToken")


def test_other_hosts_are_refused(workspace: Workspace) -> None:
    with pytest.raises(httpx.ProxyError, match="403"):
        workspace.http.get("https://example.com/")


def test_a_deployment_serves_until_its_next_version_is_ready(endpoint: Workspace, tmp_path: Path) -> None:
    first = endpoint.deploy("blue", "versions", "serving", environmentVariables={"VERSION": "one"})
    assert endpoint.wait(first)["status"] == "Succeeded"
    assert endpoint.ask("blue", {}).json() == "one"

    gate = tmp_path / "gate"
    gated = {"VERSION": "two", "GATE": str(gate)}
    second = endpoint.deploy("blue", "versions", "serving", environmentVariables=gated)

    assert second.json()["properties"]["provisioningState"] == "Updating"
    assert endpoint.ask("blue", {}).json() == "one"
    gate.touch()
    assert endpoint.wait(second)["status"] == "Succeeded"
    assert endpoint.ask("blue", {}).json() == "two"

    failing = endpoint.wait(endpoint.deploy("blue", "versions", "serving", environmentVariables={"FAIL": "no luck"}))

    assert failing["error"]["code"] is None
    assert failing["error"]["message"].startswith("ResourceNotReady: ")
    assert "ValueError: no luck" in failing["error"]["message"]
    assert "ValueError: no luck" in endpoint.post("onlineEndpoints/digits/deployments/blue/getLogs", {})["content"]
    assert endpoint.ask("blue", {}).json() == "two"


def test_requests_succeed_while_deployments_are_replaced_and_deleted(endpoint: Workspace) -> None:
    def deploy(name: str, version: str) -> None:
        settings = {"requestTimeout": "PT30S", "maxConcurrentRequestsPerInstance": 4}
        variables = {"VERSION": version}
        answer = endpoint.deploy(name, "versions", "serving", requestSettings=settings, environmentVariables=variables)
        assert endpoint.wait(answer)["status"] == "Succeeded"

    def move(**traffic: int) -> None:
        endpoint.wait(endpoint.put("onlineEndpoints/digits", authMode="Key", traffic=traffic))

    deploy("blue", "one")
    move(blue=100)
    with steady_requests(endpoint) as seen:
        deploy("blue", "two")
        deploy("green", "three")
        move(blue=50, green=50)
        move(green=100)
        endpoint.wait(endpoint.http.delete(f"{endpoint.url}/onlineEndpoints/digits/deployments/blue"))

    assert {answer for answer in seen if answer[0] != 200} == set()
    assert {answer[1] for answer in seen} == {"one", "two", "three"}


@contextmanager
def steady_requests(workspace: Workspace, clients: int = 4) -> Iterator[list[tuple[int, str]]]:
    """Ask the endpoint all the time; yields what is answered."""
    key = {"authorization": f"Bearer {workspace.post('onlineEndpoints/digits/listKeys')['primaryKey']}"}
    seen: list[tuple[int, str]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            url = "https://digits.eastus.inference.ml.azure.com/score"
            answer = workspace.http.post(url, json={"seconds": 0.02}, headers=key, timeout=300)
            seen.append((answer.status_code, answer.json()))

    with ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(ask) for _ in range(clients)]
        try:
            yield seen
        finally:
            done.set()
    for one in asking:
        one.result()


def test_a_deployment_that_does_not_get_ready_in_time_fails(endpoint: Workspace) -> None:
    probe = {"initialDelay": "PT0S", "period": "PT1S", "failureThreshold": 1}

    operation = endpoint.wait(
        endpoint.deploy("blue", "versions", "serving", readinessProbe=probe, environmentVariables={"GATE": "/never"})
    )

    assert operation["error"]["code"] is None
    assert operation["error"]["message"].startswith("ResourceNotReady: ")
    assert "readiness probe" in operation["error"]["message"]
    assert endpoint.ask("blue", {}).status_code == 503


def test_a_slow_answer_is_a_timeout(endpoint: Workspace) -> None:
    settings = {"requestTimeout": "PT0.5S"}
    endpoint.wait(
        endpoint.deploy(
            "blue", "versions", "serving", requestSettings=settings, environmentVariables={"VERSION": "one"}
        )
    )

    assert endpoint.ask("blue", {"seconds": 2}).status_code == 408


@pytest.mark.parametrize(
    ("requirements", "code", "said"),
    [
        (["./no-such-package"], "ImageBuildFailure", "under the path '/azureml/ImageLogs/"),
        ([], "ResourceNotReady", "add azureml-inference-server-http"),
    ],
)
def test_an_environment_that_cannot_serve(endpoint: Workspace, requirements: list[str], code: str, said: str) -> None:
    name = f"broken-{code}"
    endpoint.put(f"environments/{name}/versions/1", image="an/image", condaFile=conda_file(*requirements))

    operation = endpoint.wait(endpoint.deploy("blue", "versions", name))

    assert operation["error"]["message"].startswith(f"{code}: ")
    assert said in operation["error"]["message"]


def test_a_build_that_fails_leaves_the_installers_log(endpoint: Workspace) -> None:
    endpoint.put("environments/logged/versions/1", image="an/image", condaFile=conda_file("./no-such-package"))

    operation = endpoint.wait(endpoint.deploy("blue", "versions", "logged"))

    said = re.search(r"blob store '(.+)' under the path '(/azureml/ImageLogs/.+)'", operation["error"]["message"])
    assert said is not None
    token = endpoint.sign_in(scope="https://storage.azure.com/.default").json()["access_token"]
    log = endpoint.http.get(
        f"https://{said[1]}.blob.core.windows.net{said[2]}",
        headers={"authorization": f"Bearer {token}", "x-ms-version": "2023-11-03"},
    )
    assert "no-such-package" in log.raise_for_status().text


def test_resources_and_deployments_survive_a_restart(tmp_path: Path) -> None:
    def seen(workspace: Workspace) -> list[object]:
        return [
            workspace.get("models/echo/versions/1"),
            workspace.get("onlineEndpoints/digits"),
            workspace.post("onlineEndpoints/digits/listKeys"),
            workspace.ask("blue", {}).json(),
        ]

    with running_emulator(tmp_path) as emulator, signed_in_workspace(emulator) as workspace:
        workspace.put("models/echo/versions/1", modelUri="azureml://datastores/workspaceblobstore/paths/x")
        make_assets(workspace)
        workspace.wait(workspace.put("onlineEndpoints/digits", authMode="Key"))
        workspace.wait(workspace.deploy("blue", "versions", "serving", environmentVariables={"VERSION": "one"}))
        before = seen(workspace)
    with running_emulator(tmp_path) as emulator, signed_in_workspace(emulator) as workspace:
        assert seen(workspace) == before
    # Secrets, keys and data are nobody else's business.
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_an_endpoint_on_a_cluster_answers_at_its_new_address_after_a_restart(tmp_path: Path) -> None:
    def address(workspace: Workspace) -> str:
        properties = workspace.get("onlineEndpoints/digits")["properties"]
        assert properties["swaggerUri"] == properties["scoringUri"].replace("/score", "/swagger.json")
        return str(properties["scoringUri"])

    def ask(workspace: Workspace) -> httpx.Response:
        key = workspace.post("onlineEndpoints/digits/listKeys")["primaryKey"]
        return httpx.post(
            address(workspace), json={"a": 1}, headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=60
        )

    # So that the port of the first start is not that of the second.
    with socket.socket() as taken, ExitStack() as first:
        emulator = first.enter_context(running_emulator(tmp_path, arguments=["--scoring", "instant"]))
        workspace = first.enter_context(signed_in_workspace(emulator))
        make_assets(workspace)
        workspace.wait(workspace.put("onlineEndpoints/digits", authMode="Key", compute=f"{workspace.id}/computes/k8s"))
        deployed = workspace.deploy("blue", "versions", "serving", endpointComputeType="Kubernetes")
        assert workspace.wait(deployed)["status"] == "Succeeded"
        workspace.wait(
            workspace.put(
                "onlineEndpoints/digits",
                authMode="Key",
                compute=f"{workspace.id}/computes/k8s",
                traffic={"blue": 100},
            )
        )
        before = address(workspace)
        assert ask(workspace).json() == {"a": 1}
        first.close()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", httpx.URL(before).port))
        taken.listen()
        with (
            running_emulator(tmp_path, arguments=["--scoring", "instant"]) as emulator,
            signed_in_workspace(emulator) as workspace,
        ):
            assert address(workspace) != before
            assert httpx.URL(address(workspace)).path == httpx.URL(before).path
            assert ask(workspace).json() == {"a": 1}


def test_a_killed_deployment_is_finished_after_the_restart(tmp_path: Path) -> None:
    gate, state = tmp_path / "gate", tmp_path / "state"
    with running_emulator(state) as emulator, signed_in_workspace(emulator) as workspace:
        make_assets(workspace)
        workspace.wait(workspace.put("onlineEndpoints/digits", authMode="Key"))
        gated = {"VERSION": "one", "GATE": str(gate)}
        creating = workspace.deploy("blue", "versions", "serving", environmentVariables=gated)
        os.kill(emulator.pid, signal.SIGKILL)
    gate.touch()

    with running_emulator(state) as emulator, signed_in_workspace(emulator) as workspace:
        assert workspace.wait(creating)["status"] == "Succeeded"
        assert workspace.ask("blue", {}).json() == "one"
