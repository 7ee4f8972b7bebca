"""MLflow with Azure ML's plugin against the emulator: what it logs, finds, registers and downloads."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_rest import Workspace, signed_in_workspace
from mlflow_client import mlflow_client_python

CLIENT = Path(__file__).with_name("mlflow_client.py")
CLIENT_SECONDS = 300


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of MLflow's own environment."""
    return mlflow_client_python()


@pytest.fixture
def workspace(emulator: EmulatorInfo) -> Iterator[Workspace]:
    with signed_in_workspace(emulator) as workspace:
        yield workspace


def put_model(workspace: Workspace) -> None:
    """Register a model as azure-ai-ml does: uploaded to the default datastore."""
    account = workspace.get("datastores/workspaceblobstore")["properties"]["accountName"]
    workspace.http.put(
        f"https://{account}.blob.core.windows.net/azureml-blobstore/LocalUpload/abc/model/MLmodel?{workspace.sign_blobs()}",
        content=b"flavors: {}\n",
        headers={"x-ms-blob-type": "BlockBlob", "authorization": ""},
    ).raise_for_status()
    uri = "azureml://datastores/workspaceblobstore/paths/LocalUpload/abc/model"
    workspace.put("models/sdk/versions/1", modelUri=uri, modelType="mlflow_model")


def test_mlflow_tracks_and_registers(workspace: Workspace, python: Path, tmp_path: Path) -> None:
    put_model(workspace)
    output = tmp_path / "seen.json"
    emulator = workspace.emulator
    tracking_uri = workspace.get("")["properties"]["mlFlowTrackingUri"]

    subprocess.run(
        [python, CLIENT, tmp_path, output],
        env={**os.environ, **emulator.environment, "MLFLOW_TRACKING_URI": tracking_uri},
        timeout=CLIENT_SECONDS,
        check=True,
    )

    size = {"MLmodel": 52, "w.bin": 256}
    assert json.loads(output.read_text()) == {
        "status": ["FINISHED", True],
        "params": {"epochs": "5", "rate": "0.1"},
        "metrics": {"accuracy": "0.5", "loss": str(1 / 3), "broken": "nan"},
        "team": "vision",
        "history": [[0, 0.0], [1, 0.25], [2, 0.5]],
        "runs": ["child", "failed", "first", "second"],
        "pages": 1,
        "good": ["child", "first"],
        "failed": ["failed"],
        "deleted": [["child", "first", "second"], ["failed"]],
        "experiment": True,
        "artifacts": ["model/MLmodel", "model/weights"],
        "note": "hello",
        "registered": ["1", "READY", True],
        "local": "2",
        "versions": [["1", "Production", None, "yes"], ["2", "None", "from a folder", None]],
        "latest": {"Production": "1", "None": "2"},
        "models:/digits/1": size,
        "models:/digits/2": size,
        "models:/digits/Production": size,
        "models:/sdk/1": {"MLmodel": 12},
        "missing": "RESOURCE_DOES_NOT_EXIST",
        "left": ["1"],
    }
    assert workspace.get("models/digits/versions/1")["properties"]["modelType"] == "mlflow_model"
    workspace.http.delete(f"{workspace.url}/models/digits").raise_for_status()
    workspace.http.delete(f"{workspace.url}/models/sdk").raise_for_status()


# What a job's command logs with MLflow's azureml plugin.
LOGGING = """
import mlflow
mlflow.log_param("epochs", 2)
mlflow.log_metric("accuracy", 0.5, step=7)
mlflow.log_text("hello", "notes/hello.txt")
"""


def test_what_a_job_logs_is_on_its_own_run(python: Path) -> None:
    arguments = [f"--environment-python=plugin={python}"]
    with running_emulator(arguments=arguments) as emulator, signed_in_workspace(emulator) as workspace:
        run = workspace.run_command("logging", f"python - <<'END'\n{LOGGING}\nEND", "plugin")

        assert run["info"]["status"] == "FINISHED"
        assert run["data"]["params"] == [{"key": "epochs", "value": "2"}]
        assert [(each["key"], each["value"], each["step"]) for each in run["data"]["metrics"]] == [("accuracy", 0.5, 7)]
        history = f"https://eastus.api.azureml.ms/history/v1.0{workspace.id}"
        artifacts = f"{history}/experiments/logging/runs/logging/artifacts"
        paths = [each["path"] for each in workspace.http.get(artifacts).raise_for_status().json()["value"]]
        assert "notes/hello.txt" in paths


def test_what_was_logged_survives_a_restart(tmp_path: Path) -> None:
    def ask(workspace: Workspace, method: str, path: str, **options: Any) -> Any:
        url = f"https://eastus.api.azureml.ms/mlflow/v2.0{workspace.id}/api/2.0/mlflow/{path}"
        return workspace.http.request(method, url, **options).raise_for_status().json()

    with running_emulator(tmp_path) as emulator, signed_in_workspace(emulator) as workspace:
        run = ask(workspace, "POST", "runs/create", json={"run_name": "first"})["run"]["info"]["run_id"]
        metric = {"run_id": run, "key": "accuracy", "value": 0.5, "timestamp": 1, "step": 7}
        ask(workspace, "POST", "runs/log-metric", json=metric)
        before = ask(workspace, "GET", "runs/get", params={"run_id": run})
    with running_emulator(tmp_path) as emulator, signed_in_workspace(emulator) as workspace:
        assert ask(workspace, "GET", "runs/get", params={"run_id": run}) == before
    assert before["run"]["data"]["metrics"] == [{"key": "accuracy", "value": 0.5, "timestamp": 1, "step": 7}]
