"""azure-ai-ml: commands and pipelines run, and their results are downloaded."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_rest import Workspace, conda_file, signed_in_workspace
from processes import wait_until

CLIENT = Path(__file__).with_name("azureml_jobs_client.py")
CLIENT_SECONDS = 300
JOB_SECONDS = 300
Document = dict[str, Any]
STEP = """
import sys
from pathlib import Path

numbers, factor, sums = sys.argv[1:]
total = sum(int(number) for file in Path(numbers).iterdir() for number in file.read_text().split()) * int(factor)
print("the sum is", total)
Path(sums, "sum.txt").write_text(str(total))
Path("outputs").mkdir()
Path("outputs/seen.txt").write_text("seen")
"""
SCORE = """
import os
from pathlib import Path


def init():
    global weight
    weight = int((Path(os.environ["AZUREML_MODEL_DIR"]) / "model" / "weight.txt").read_text())


def run(mini_batch):
    return [[Path(file).name, weight * len(Path(file).read_text().split())] for file in mini_batch]
"""
# What mldesigner does through MLflow.
DECIDE = """
import json, os, sys
from urllib.request import Request, urlopen

value = {"azureml.pipeline.control": json.dumps({"flag": sys.argv[1] == "yes"})}
history = "{AZUREML_SERVICE_ENDPOINT}/history/v1.0{AZUREML_WORKSPACE_SCOPE}".format(**os.environ)
run = "experimentids/{AZUREML_EXPERIMENT_ID}/runs/{AZUREML_RUN_ID}".format(**os.environ)
request = Request(f"{history}/{run}", json.dumps({"properties": value}).encode(), method="PATCH")
request.add_header("Authorization", "Bearer " + os.environ["AZUREML_RUN_TOKEN"])
request.add_header("Content-Type", "application/json")
urlopen(request).read()
"""
# A step that is itself a client of Azure ML, as it would be with a compute's identity.
LOOK = """
import json, os, sys
from pathlib import Path
from azure.ai.ml import MLClient
from azure.identity import DefaultAzureCredential

client = MLClient(
    DefaultAzureCredential(),
    os.environ["AZUREML_ARM_SUBSCRIPTION"],
    os.environ["AZUREML_ARM_RESOURCEGROUP"],
    os.environ["AZUREML_ARM_WORKSPACE_NAME"],
    enable_telemetry=False,
)
Path(sys.argv[2]).write_text(json.dumps([store.name for store in client.datastores.list()]))
"""


@pytest.fixture(scope="module")
def job_emulator() -> Iterator[EmulatorInfo]:
    """An emulator where this interpreter stands in for an image."""
    arguments = ["--environment-python", f"registry/suite={sys.executable}", "--retry-after", "1"]
    with running_emulator(arguments=arguments) as info:
        yield info


def test_sdk_runs_commands_and_pipelines(job_emulator: EmulatorInfo, tmp_path: Path) -> None:
    for name, content in {
        "in/a.txt": "1 2",
        "in/b.txt": "3",
        "code/step.py": STEP,
        "code/decide.py": DECIDE,
        "code/look.py": LOOK,
        "batch/score.py": SCORE,
        "model/weight.txt": "2",
        "conda.yaml": conda_file(),
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    output = tmp_path / "seen.json"

    subprocess.run(
        [sys.executable, CLIENT, tmp_path, job_emulator.resource_group, job_emulator.workspace, output],
        env={**os.environ, **job_emulator.environment, "AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED": "true"},
        timeout=CLIENT_SECONDS,
        check=True,
    )

    seen = json.loads(output.read_text())
    assert seen["data"] == {"names": ["numbers"], "active": ["2"], "latest": ["2", "uri_folder"]}
    assert seen["computes"] == {
        "cluster": ["STANDARD_DS4_V2", 3, 90],
        "instance": "Stopped",
        "sizes": True,
        "usage": True,
        "listed": ["cpu-cluster", "k8s", "mine"],
    }
    assert seen["command"] == {
        "streamed": True,
        "status": "Completed",
        "compute": "cpu-cluster",
        "experiment": "trials",
        "link": True,
        "outputs": ["default", "sums"],
        "downloaded": ["artifacts/outputs/seen.txt", "artifacts/user_logs/std_log.txt", "named-outputs/sums/sum.txt"],
        "listed": False,
    }
    assert (tmp_path / "command/named-outputs/sums/sum.txt").read_text() == "60"
    assert seen["failure"] == {"exit code": True, "log": True}
    assert seen["refusals"] == {"compute": 400, "image": True}
    assert seen["cancelled"] == "Canceled"
    assert seen["components"] == {
        "versions": ["1", "1"],
        "next version is a time": True,
        "changed version": 400,
        "names": ["add"],
        "active": ["1"],
        "default": "1",
        "by version": True,
    }
    assert seen["pipeline"] == {
        "status": "Completed",
        "streamed": True,
        "nodes": dict.fromkeys(("add", "decided", "inner", "looked"), "Completed"),
        "inner": ["Completed", "Completed"],
        "outputs": {"found": "UriFile", "sums": "UriFolder"},
        "found where it should be": True,
        # azure-ai-ml 1.35 does not know the run history's word UriFolder, and leaves the named outputs out.
        "artifacts": ["artifacts/logs/azureml/executionlogs.txt"],
    }
    assert seen["batch"] == {
        "mini-batches of": 1,
        "status": "Completed",
        "rows": ["['a.txt', 4]", "['b.txt', 2]"],
        "jobs": ["Completed"],
        "deployments": ["blue"],
        "endpoints": [],
    }


def test_a_killed_job_has_failed_after_the_restart(tmp_path: Path) -> None:
    def put_job(workspace: Workspace, name: str, command: str, status: str) -> Document:
        environment = f"{workspace.id}/environments/plain/versions/1"
        workspace.put(f"jobs/{name}", jobType="Command", command=command, environmentId=environment)
        wait_until(lambda: workspace.get(f"jobs/{name}")["properties"]["status"] == status, JOB_SECONDS)
        return details(workspace, name)

    def log_of(workspace: Workspace, run: Document) -> str:
        files = run["logFiles"]
        if "user_logs/std_log.txt" not in files:
            return ""
        return workspace.http.get(files["user_logs/std_log.txt"], headers={"authorization": ""}).text

    def details(workspace: Workspace, name: str) -> Document:
        history = f"https://eastus.api.azureml.ms/history/v1.0{workspace.id}/runs/{name}/details"
        found: Document = workspace.http.get(history).raise_for_status().json()
        return found

    with running_emulator(tmp_path) as emulator, signed_in_workspace(emulator) as workspace:
        workspace.put("environments/plain/versions/1", image="an/image", condaFile=conda_file())
        put_job(workspace, "cut", "echo begun; sleep 600", "Running")
        wait_until(lambda: log_of(workspace, details(workspace, "cut")) == "begun\n")
        os.kill(emulator.pid, signal.SIGKILL)

    with running_emulator(tmp_path) as emulator, signed_in_workspace(emulator) as workspace:
        cut = details(workspace, "cut")
        assert (cut["status"], cut["error"]["error"]["code"]) == ("Failed", "RunInterrupted")
        assert log_of(workspace, cut) == "begun\n"
        assert put_job(workspace, "next", "echo again", "Completed")["status"] == "Completed"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
