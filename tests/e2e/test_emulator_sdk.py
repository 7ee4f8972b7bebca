"""The real azure-ai-ml against the emulator: a model goes from a folder to a live endpoint and away again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from azureml_emulator import EmulatorInfo, running_emulator

CLIENT = Path(__file__).with_name("azureml_client.py")
CLIENT_SECONDS = 300
SCORE = """
import json
import os
from pathlib import Path


def init():
    print("hello from init")
    if "FAIL_IN_INIT" in os.environ:
        raise RuntimeError("no luck in init")


def run(data):
    asked = json.loads(data)
    if asked == "fail":
        raise ValueError("the model failed")
    weights = (Path(os.environ["AZUREML_MODEL_DIR"]) / "model" / "weights.txt").read_text()
    return {"asked": asked, "weights": int(weights), "colour": os.environ["COLOUR"]}
"""
CONDA = f"""
name: scoring
channels: [conda-forge]
dependencies:
  - python={sys.version_info.major}.{sys.version_info.minor}
  - pip
  - pip:
      - azureml-inference-server-http==1.5.1
"""


def test_sdk_takes_a_model_to_a_live_endpoint(emulator: EmulatorInfo, tmp_path: Path) -> None:
    for name, content in {"model/weights.txt": "42", "code/score.py": SCORE, "conda.yaml": CONDA}.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    output = tmp_path / "seen.json"

    subprocess.run(
        [sys.executable, CLIENT, tmp_path, emulator.resource_group, emulator.workspace, output],
        env={**os.environ, **emulator.environment},
        timeout=CLIENT_SECONDS,
        check=True,
    )

    assert json.loads(output.read_text()) == {
        "workspace": emulator.workspace,
        "datastore": "workspaceblobstore",
        "compute": "amlcompute",
        "versions": ["1", "2"],
        "latest": "2",
        "active": ["2"],
        "downloaded": ["downloaded/echo/model/weights.txt"],
        "changed version": 409,
        "traffic before": {"blue": 0},
        "traffic": {"blue": 100},
        "answer": [200, {"asked": {"hello": "world"}, "weights": 42, "colour": "blue"}, "blue"],
        "model error": 424,
        "wrong key": 401,
        "no such deployment": 404,
        "log": True,
        "crash": True,
        "crash log": True,
        "green": "green",
        "old key": 401,
        "delete live deployment": 400,
        "deleted": 404,
    }
    assert emulator.environment["AZ_CLIENT_SECRET"] not in (Path(emulator.state_dir) / "access.log").read_text()


@pytest.fixture
def http(emulator: EmulatorInfo) -> Any:
    with client_of(emulator) as client:
        yield client


def client_of(emulator: EmulatorInfo) -> httpx.Client:
    import ssl

    return httpx.Client(
        proxy=emulator.proxy_url, verify=ssl.create_default_context(cafile=emulator.ca_file), trust_env=False
    )


def sign_in(client: httpx.Client, emulator: EmulatorInfo, **changed: str) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": emulator.environment["AZ_CLIENT_ID"],
        "client_secret": emulator.environment["AZ_CLIENT_SECRET"],
        "scope": "https://management.azure.com/.default",
        **changed,
    }
    tenant = emulator.environment["AZ_TENANT_ID"]
    return client.post(f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token", data=form)


def workspace_url(emulator: EmulatorInfo) -> str:
    return (
        f"https://management.azure.com/subscriptions/{emulator.environment['AZ_SUBSCRIPTION_ID']}"
        f"/resourceGroups/{emulator.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{emulator.workspace}"
    )


def test_a_real_token_is_needed(emulator: EmulatorInfo, http: httpx.Client) -> None:
    token = sign_in(http, emulator).json()["access_token"]
    for_storage = sign_in(http, emulator, scope="https://storage.azure.com/.default").json()["access_token"]
    forged = f"{token[:-4]}AAAA"

    def ask(token: str) -> tuple[int, str]:
        answer = http.get(workspace_url(emulator), headers={"authorization": f"Bearer {token}"} if token else {})
        return answer.status_code, answer.json().get("error", {}).get("code", "")

    assert ask(token) == (200, "")
    assert ask(forged) == (401, "InvalidAuthenticationToken")
    assert ask("") == (401, "AuthenticationFailed")
    assert ask(for_storage) == (401, "InvalidAuthenticationTokenAudience")


def test_the_secret_is_needed(emulator: EmulatorInfo, http: httpx.Client) -> None:
    answer = sign_in(http, emulator, client_secret="wrong")

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_other_hosts_are_refused(http: httpx.Client) -> None:
    with pytest.raises(httpx.ProxyError, match="403"):
        http.get("https://example.com/")


def test_a_route_that_is_missing_is_named(emulator: EmulatorInfo, http: httpx.Client) -> None:
    token = sign_in(http, emulator).json()["access_token"]

    answer = http.get(f"{workspace_url(emulator)}/schedules", headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 501
    assert "schedules" in answer.json()["error"]["message"]


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    bodies = [
        ("models/echo/versions/1", {"modelUri": "azureml://datastores/workspaceblobstore/paths/x"}),
        ("onlineEndpoints/digits", {"authMode": "Key"}),
    ]

    def read(emulator: EmulatorInfo, client: httpx.Client) -> list[Any]:
        client.headers["authorization"] = f"Bearer {sign_in(client, emulator).json()['access_token']}"
        base = workspace_url(emulator)
        return [
            *(client.get(f"{base}/{path}").json() for path, _ in bodies),
            client.post(f"{base}/onlineEndpoints/digits/listKeys").json(),
        ]

    with running_emulator(tmp_path) as emulator, client_of(emulator) as client:
        client.headers["authorization"] = f"Bearer {sign_in(client, emulator).json()['access_token']}"
        for path, properties in bodies:
            assert client.put(f"{workspace_url(emulator)}/{path}", json={"properties": properties}).status_code == 201
        before = read(emulator, client)
    with running_emulator(tmp_path) as emulator, client_of(emulator) as client:
        assert read(emulator, client) == before
