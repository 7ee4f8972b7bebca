"""Unexpected requests neither crash the emulator nor write outside its folders.

300 requests, always the same ones; `make fuzz-emulator` sends 10,000 others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from azureml_emulator import EmulatorInfo
from azureml_emulator.emulator import ready_line, stop_process
from azureml_emulator.machine.cache import cache_root
from azureml_rest import Workspace, signed_in_workspace
from fuzzing import FuzzedRequest, Wire, requests, seeds

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "0"))
SAMPLE = 300
START = [sys.executable, "-m", "azureml_emulator", "start", "--json", "--state-dir"]
# Jobs that run nothing, deployments without servers: what is asked for counts, not what comes of it.
OPTIONS = ["--scoring", "instant", f"--environment-python=fuzz={sys.executable}"]
START_SECONDS = 240
OUTSIDE = ("home", "cwd")
# A deployment that is not up is the model's fault, not the emulator's.
SCORING_FAULTS = ("deployment_not_ready", "upstream_error", "request_timeout")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder deep enough that what leaves the emulator's folders is still in it."""
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def emulator(root: Path) -> Iterator[EmulatorInfo]:
    """An emulator whose home, temporary folder and working directory are in `root`."""
    folders = {name: root / "a/b/c" / name for name in ("state", "home", "tmp", "cwd")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    environment = {
        **os.environ,
        "HOME": str(folders["home"]),
        "TMPDIR": str(folders["tmp"]),
        "AZUREML_EMULATOR_CACHE": str(cache_root()),
        # Whatever is asked for, nothing is fetched.
        "UV_OFFLINE": "1",
    }
    with (root / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [*START, folders["state"], *OPTIONS],
            cwd=folders["cwd"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            yield EmulatorInfo.from_json(ready_line(process, START_SECONDS))
        finally:
            stop_process(process)


def test_no_request_breaks_the_emulator(emulator: EmulatorInfo, root: Path) -> None:
    counts: Counter[str] = Counter()

    with signed_in_workspace(emulator) as workspace:
        wire = Wire(emulator, str(workspace.sign_in().json()["access_token"]))
        for seed in seeds(workspace.id):
            assert wire.send(seed)[0] in (200, 201), seed

        @settings(
            max_examples=REQUESTS or SAMPLE,
            derandomize=not REQUESTS,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(requests(workspace.id, make_run(workspace)))
        def send(request: FuzzedRequest) -> None:
            status, body = wire.send(request)
            counts[str(status)] += 1
            assert status < 500 or is_refusal(request, status, body) or is_scoring_fault(request, body), body[:500]
            assert b"Traceback" not in body

        send()
        wire.close()
        assert workspace.get("")["name"] == emulator.workspace
    sys.stdout.write(f"{sum(counts.values())} requests: {dict(sorted(counts.items()))}\n")
    assert (root / "errors").read_text() == ""
    assert [path for folder in OUTSIDE for path in (root / "a/b/c" / folder).rglob("*")] == []
    assert sorted(path.name for path in (root / "a/b/c").iterdir()) == ["cwd", "home", "state", "tmp"]
    assert sorted(path.name for folder in ("", "a", "a/b") for path in (root / folder).iterdir()) == [
        "a",
        "b",
        "c",
        "errors",
    ]


def make_run(workspace: Workspace) -> str:
    """Create a run, whose name nobody can choose."""
    url = f"https://eastus.api.azureml.ms/mlflow/v2.0{workspace.id}/api/2.0/mlflow/runs/create"
    return str(workspace.http.post(url, json={}).raise_for_status().json()["run"]["info"]["run_id"])


def is_refusal(request: FuzzedRequest, status: int, body: bytes) -> bool:
    """Say whether it is a 501 that says that the emulator does not have it."""
    if status != 501 or request.method == "HEAD":
        return status == 501
    answer = json.loads(body)
    return "NotImplementedByEmulator" in str(answer.get("error")) or answer.get("error_code") == "NOT_IMPLEMENTED"


def is_scoring_fault(request: FuzzedRequest, body: bytes) -> bool:
    """Say whether an endpoint's host tells of a deployment that does not serve."""
    if not request.connect.endswith("inference.ml.azure.com"):
        return False
    return json.loads(body)["error"]["code"] in SCORING_FAULTS
