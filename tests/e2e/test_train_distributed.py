"""train_distributed as a step, with real workers in place of a TrainJob's pods."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kfp_azureml.imagesets.parquet import write_parquet
from kfp_azureml.models.model_folder import hash_files, read_manifest, verify_files
from kubernetes_api import write_kubeconfig
from kubernetes_workloads import NAMESPACE, Workloads, running_workloads
from trainer_operator import running_train_jobs

WAIT_SECONDS = 120


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workloads]:
    with running_workloads() as workloads, running_train_jobs(workloads):
        path = write_kubeconfig(tmp_path / "kubeconfig", workloads.url, NAMESPACE)
        monkeypatch.setenv("KUBECONFIG", str(path))
        yield workloads


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 320).astype(np.uint8)
    images = (rng.integers(0, 128, (320, 12, 12, 1)) + 100 * labels[:, None, None, None]).astype(np.uint8)
    pieces = (
        (images[start : start + 64].tobytes(), labels[start : start + 64].tobytes()) for start in range(0, 320, 64)
    )
    folder = tmp_path_factory.mktemp("images")
    write_parquet(folder / "images.parquet", (12, 12, 1), ("dark", "bright"), pieces)
    return folder


def command(training_set: Path, folder: Path, *options: str) -> list[str]:
    return [
        *(str(Path(sys.executable).with_name("kfp-azureml")), "step", "train_distributed"),
        *("--input-data", str(training_set), "--checkpoint", str(folder / "checkpoint")),
        *("--outputs", str(folder / "out"), "--image", "kfp-azureml/ml:test", "--pipeline-run-id", "run-1"),
        *("--epochs", "1", *options),
    ]


def test_two_workers_train_and_the_model_comes_back(cluster: Workloads, training_set: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        command(training_set, tmp_path), capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    model = tmp_path / "out/output_model"
    manifest = read_manifest(model)
    verify_files(model, hash_files(model), manifest.files)
    assert manifest.classes == ("dark", "bright")
    assert (tmp_path / "out/history.html").is_file()
    metadata = json.loads(done.stdout)["artifacts"]["output_model"]["metadata"]
    assert metadata["accuracy"] == manifest.metrics["accuracy"]
    # Logs of both workers are the step's own, with the worker.
    assert "worker 0: " in done.stderr
    assert "worker 1: " in done.stderr
    assert "epoch 1/1" in done.stderr
    (job,) = cluster.jobs.values()
    assert job["status"]["conditions"][0]["type"] == "Complete"


def test_the_error_of_a_worker_is_the_steps(cluster: Workloads, training_set: Path, tmp_path: Path) -> None:
    wrong = command(training_set, tmp_path, "--architecture", "resnet9000")
    done = subprocess.run(wrong, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("train_distributed: TrainJob team/train-")
    assert "worker 0: Error (exit code 1)" in last
    assert "architecture is 'resnet9000'" in last
    assert not (tmp_path / "out/output_model/model.json").exists()


def test_sigterm_deletes_the_job_and_ends_the_workers(cluster: Workloads, training_set: Path, tmp_path: Path) -> None:
    step = subprocess.Popen(
        command(training_set, tmp_path, "--epochs", "500"), stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    limit = time.monotonic() + WAIT_SECONDS
    while not cluster.jobs and time.monotonic() < limit:
        time.sleep(0.05)
    step.send_signal(signal.SIGTERM)
    _, said = step.communicate(timeout=WAIT_SECONDS)
    assert step.returncode == 130, said
    assert said.splitlines()[-1].endswith(" deleted")
    assert cluster.jobs == {}
    assert cluster.pods == {}
