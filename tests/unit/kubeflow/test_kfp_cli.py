"""Kubeflow's own command line takes our compiled pipeline, as docs/pipelines.md and docs/aks.md have it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubeflow_api import Fault, KubeflowApi, running_kubeflow_api

COMPILED = Path(__file__).parents[3] / "pipelines" / "image_classification.yaml"
WORKSPACE = ["resource_group=g", "workspace=w"]
TOKEN = "very-secret"


RUN = ["--experiment-name", "fashion", "--run-name", "first", "--package-file", COMPILED]


def kfp(url: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("kfp"), "--endpoint", url, "--existing-token", TOKEN]
    environ = {**os.environ, "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [*command, "--output", "json", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env=environ,
        check=False,
    )


@pytest.mark.parametrize("command", ["create", "submit"])
def test_kfp_run(kubeflow: KubeflowApi, command: str) -> None:
    kubeflow.token = TOKEN
    done = kfp(kubeflow.url, "run", command, *RUN, *WORKSPACE, "epochs=3")
    assert done.returncode == 0, done.stderr
    body = kubeflow.bodies[0]
    assert body["display_name"] == "first"
    assert kubeflow.experiments[body["experiment_id"]]["display_name"] == "fashion"
    assert body["runtime_config"]["parameters"] == {"resource_group": "g", "workspace": "w", "epochs": 3}
    assert "platforms" in body["pipeline_spec"]["platform_spec"]


def test_kfp_pipeline_create(kubeflow: KubeflowApi) -> None:
    kubeflow.token = TOKEN
    done = kfp(kubeflow.url, "pipeline", "create", "--pipeline-name", "image-classification", COMPILED)
    assert done.returncode == 0, done.stderr
    assert kubeflow.uploads == {"image-classification": COMPILED.read_bytes()}


@pytest.mark.parametrize("status", [401, 409, 500])
@pytest.mark.parametrize("made", ["run", "pipeline"])
def test_a_refusal_is_no_success(kubeflow: KubeflowApi, made: str, status: int) -> None:
    kubeflow.token = TOKEN
    kubeflow.faults["POST /runs"] = kubeflow.faults["POST /pipelines/upload"] = [Fault(status, "no")]
    if made == "run":
        done = kfp(kubeflow.url, "run", "create", *RUN, *WORKSPACE)
        assert kubeflow.requests[-1] == "POST /runs"
    else:
        done = kfp(kubeflow.url, "pipeline", "create", "--pipeline-name", "image-classification", COMPILED)
        assert kubeflow.requests[-1] == "POST /pipelines/upload"
    assert done.returncode == 1
    assert f"({status})" in done.stderr
    assert not kubeflow.runs
    assert not kubeflow.uploads


def test_a_server_that_is_down_is_no_success() -> None:
    with running_kubeflow_api() as api:
        pass
    done = kfp(api.url, "run", "create", *RUN, *WORKSPACE)
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
