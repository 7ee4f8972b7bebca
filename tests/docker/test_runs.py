"""`kfp-azureml run --docker`: the whole pipeline in its images, and failures of containers."""

import json
import os
import signal
import subprocess
from pathlib import Path

import docker
import pytest
from docker.models.images import Image

from docker_runs import start, summary
from kfp_azureml.images import RUN_AS_USER
from kfp_azureml.local.containers import RUN_LABEL
from processes import processes_of, wait_until

BRIEF = ["--param", "epochs=1", "--param", "batch_size=64", "--param", "min_accuracy=0.3"]
STEPS = [
    *("aml_preflight", "aml_live_model", "prep", "train", "score", "quality_gate"),
    *("aml_register_model", "aml_deploy_model", "aml_reconcile"),
]
FAST_FAILURES = 12  # kfp's own wait took 5 of 12 for a success

FAILING = """
from kfp import dsl

@dsl.container_component
def fail():
    return dsl.ContainerSpec(image="{image}", command={command})

def build_pipeline(options):
    @dsl.pipeline(name="failing-fast")
    def failing():
        fail()

    return failing
"""


def containers_of(engine: docker.DockerClient, runs: Path) -> list[str]:
    run = (runs / "latest").resolve().name
    return [each.name for each in engine.containers.list(all=True, filters={"label": f"{RUN_LABEL}={run}"})]


def test_the_whole_pipeline_ends_with_a_live_endpoint(
    tmp_path: Path, fashion_slice: Path, engine: docker.DockerClient
) -> None:
    run = start(tmp_path, "image_classification", "--data", str(fashion_slice), *BRIEF)
    output, errors = run.communicate(timeout=600)
    assert run.returncode == 0, output + errors
    told = summary(tmp_path)
    assert told["state"] == "succeeded"
    # kfp orders steps that do not depend on each other by chance.
    assert sorted(step["name"] for step in told["steps"]) == sorted(STEPS)
    assert {step["state"] for step in told["steps"]} == {"succeeded"}
    assert told["accuracy"] >= 0.3
    assert told["live_check"] == {"requests": 100, "agreed": 100}
    assert containers_of(engine, tmp_path) == []


def test_containers_have_no_root_no_capabilities_and_write_to_tmp_only(tmp_path: Path, image: Image) -> None:
    (name,) = image.tags
    source = tmp_path / "probe.py"
    source.write_text(Path(__file__).with_name("probe_pipeline.py").read_text().replace("IMAGE", name))
    run = start(tmp_path / "runs", source)
    output, errors = run.communicate(timeout=300)
    assert run.returncode == 0, output + errors
    (told,) = (path for path in (tmp_path / "runs/latest/outputs").rglob("output") if path.is_file())
    seen = json.loads(told.read_text())
    assert (seen["uid"], seen["gid"]) == (os.getuid() or RUN_AS_USER, os.getgid() or RUN_AS_USER)
    assert seen["capabilities"] == 0
    assert seen["no_new_privileges"] == "1"
    assert seen["writable"] == ["/tmp/x"]
    assert seen["home_is_writable"]
    # The caller's environment is not inherited.
    assert not set(seen["environment"]) & {"VIRTUAL_ENV", "PYTEST_CURRENT_TEST", "DOCKER_HOST"}


def test_a_container_that_fails_at_once_fails_the_run_every_time(tmp_path: Path, image: Image) -> None:
    (name,) = image.tags
    source = tmp_path / "failing.py"
    source.write_text(FAILING.format(image=name, command=["sh", "-c", "exit 3"]))
    for _ in range(FAST_FAILURES):
        run = start(tmp_path / "runs", source)
        _, errors = run.communicate(timeout=120)
        assert run.returncode == 1
        assert errors.splitlines()[-1].startswith(f"kfp-azureml: fail: container of {name} ended with exit code 3")
        assert summary(tmp_path / "runs")["state"] == "failed"


def test_an_image_that_is_nowhere_is_one_line(tmp_path: Path) -> None:
    source = tmp_path / "failing.py"
    source.write_text(FAILING.format(image="localhost:1/nothing:1", command=["true"]))
    run = start(tmp_path / "runs", source)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 1
    (line,) = errors.splitlines()
    assert line.startswith("kfp-azureml: image localhost:1/nothing:1 is not on this machine and cannot be pulled")


def test_no_engine_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    run = start(tmp_path / "runs", "image_classification")
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 1
    (line,) = errors.splitlines()
    assert line.startswith("kfp-azureml: no Docker engine responds at unix://")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_however_a_run_ends_no_container_is_left(
    tmp_path: Path, fashion_slice: Path, engine: docker.DockerClient, number: signal.Signals
) -> None:
    run = start(tmp_path, "image_classification", "--data", str(fashion_slice), *BRIEF)
    events = tmp_path / "latest" / "events.jsonl"
    wait_until(lambda: events.exists() and '"step": "train", "event": "progress"' in events.read_text(), 240)
    assert containers_of(engine, tmp_path)
    run.send_signal(number)
    try:
        _, errors = run.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        run.kill()
        raise
    wait_until(lambda: not containers_of(engine, tmp_path) and not processes_of(tmp_path), 180)
    if number == signal.SIGTERM:
        assert run.returncode == 130
        assert errors.splitlines()[-1] == "kfp-azureml: cancelled by SIGTERM"
        assert summary(tmp_path)["state"] == "cancelled"
