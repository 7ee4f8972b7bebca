"""A client of Azure ML's REST API without the SDK: faster, and with every detail."""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import yaml

from azureml_emulator import EmulatorInfo
from processes import wait_until

OPERATION_SECONDS = 300.0
ENDED = ("Succeeded", "Failed", "Canceled")
SCORING_PACKAGE = "azureml-inference-server-http==1.5.1"


def conda_file(*requirements: str) -> str:
    """Write a conda file for this interpreter's version."""
    dependencies = [f"python={sys.version_info.major}.{sys.version_info.minor}", "pip", {"pip": list(requirements)}]
    return yaml.safe_dump({"dependencies": dependencies})


class Workspace:
    """A client of the emulator's workspace.

    Attributes:
        http: Sends requests through the emulator's proxy.
        url: The workspace's address at Azure Resource Manager.
    """

    def __init__(self, emulator: EmulatorInfo, http: httpx.Client) -> None:
        self.emulator = emulator
        self.http = http
        self.id = (
            f"/subscriptions/{emulator.environment['AZ_SUBSCRIPTION_ID']}/resourceGroups/{emulator.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{emulator.workspace}"
        )
        self.url = f"https://management.azure.com{self.id}"

    def sign_in(self, **changed: str) -> httpx.Response:
        """Request a token as an application does."""
        environment = self.emulator.environment
        form = {
            "grant_type": "client_credentials",
            "client_id": environment["AZ_CLIENT_ID"],
            "client_secret": environment["AZ_CLIENT_SECRET"],
            "scope": "https://management.azure.com/.default",
            **changed,
        }
        return self.http.post(
            f"https://login.microsoftonline.com/{environment['AZ_TENANT_ID']}/oauth2/v2.0/token", data=form
        )

    def get(self, path: str) -> Any:
        """GET a path that must exist."""
        return self.http.get(f"{self.url}/{path}").raise_for_status().json()

    def post(self, path: str, body: object = None) -> Any:
        """POST an action that must succeed."""
        return self.http.post(f"{self.url}/{path}", json=body).raise_for_status().json()

    def sign_blobs(self) -> str:
        """Get a signature for the default datastore's container."""
        secrets = self.post("datastores/workspaceblobstore/listSecrets", {"expirableSecret": True})
        return str(secrets["sasToken"])

    def put(self, path: str, **properties: Any) -> httpx.Response:
        """PUT a resource that must be accepted."""
        return self.http.put(f"{self.url}/{path}", json={"properties": properties}).raise_for_status()

    def wait(self, answer: httpx.Response) -> dict[str, Any]:
        """Wait for a long-running operation to end."""
        deadline = time.monotonic() + OPERATION_SECONDS
        while True:
            operation: dict[str, Any] = self.http.get(answer.headers["azure-asyncoperation"]).json()
            if operation["status"] in ENDED:
                return operation
            assert time.monotonic() < deadline, f"{answer.request.url} did not end in time"
            time.sleep(0.1)

    def run_command(self, name: str, command: str, environment: str) -> Any:
        """Run a command as a job and an experiment of that name; return its run as MLflow shows it."""
        self.put(f"environments/{environment}/versions/1", image="an/image")
        self.put(
            f"jobs/{name}",
            jobType="Command",
            command=command,
            environmentId=f"{self.id}/environments/{environment}/versions/1",
            experimentName=name,
        )
        ended = ("Completed", "Failed")
        wait_until(lambda: self.get(f"jobs/{name}")["properties"]["status"] in ended, OPERATION_SECONDS)
        url = f"https://eastus.api.azureml.ms/mlflow/v2.0{self.id}/api/2.0/mlflow/runs/get"
        return self.http.get(url, params={"run_id": name}).raise_for_status().json()["run"]

    def upload_code(self, name: str, script: str) -> str:
        """Register a code asset that holds one score.py; return its folder's address."""
        pending = self.post(f"codes/{name}/versions/1/startPendingUpload", {})["blobReferenceForConsumption"]
        container, signature = pending["credential"]["sasUri"].split("?")
        self.http.put(
            f"{container}/src/score.py?{signature}",
            content=script,
            headers={"x-ms-blob-type": "BlockBlob", "authorization": ""},
        ).raise_for_status()
        self.put(f"codes/{name}/versions/1", codeUri=f"{container}/src")
        return f"{container}/src"

    def deploy(self, name: str, code: str, environment: str, **properties: Any) -> httpx.Response:
        """PUT a deployment of the endpoint `digits`."""
        return self.put(
            f"onlineEndpoints/digits/deployments/{name}",
            codeConfiguration={"codeId": f"{self.id}/codes/{code}/versions/1", "scoringScript": "score.py"},
            environmentId=f"{self.id}/environments/{environment}/versions/1",
            **properties,
        )

    def ask(self, deployment: str, body: object) -> httpx.Response:
        """Send a scoring request to a deployment of the endpoint `digits`."""
        key = self.post("onlineEndpoints/digits/listKeys")["primaryKey"]
        headers = {"authorization": f"Bearer {key}", "azureml-model-deployment": deployment}
        url = "https://digits.eastus.inference.ml.azure.com/score"
        return self.http.post(url, json=body, headers=headers, timeout=300)


@contextmanager
def signed_in_workspace(emulator: EmulatorInfo) -> Iterator[Workspace]:
    """A client of the emulator's workspace that holds a token."""
    trust = ssl.create_default_context(cafile=emulator.ca_file)
    # The server ends idle connections after 5 s: one that ends just now must not be used again.
    limits = httpx.Limits(keepalive_expiry=1.0)
    with httpx.Client(proxy=emulator.proxy_url, verify=trust, trust_env=False, limits=limits) as http:
        workspace = Workspace(emulator, http)
        http.headers["authorization"] = f"Bearer {workspace.sign_in().json()['access_token']}"
        yield workspace
