"""`kfp-azureml run --workers 2`: a pipeline that trains in two processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kfp_azureml.models.model_folder import read_manifest
from processes import processes_of, wait_until

COMMAND = [str(Path(sys.executable).with_name("kfp-azureml")), "run", str(Path(__file__).with_name("train_only.py"))]


@contextmanager
def running(runs: Path, images: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    words = [*COMMAND, "--runs", str(runs), "--data", str(images), "--workers", "2", *options]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def workers_of(runs: Path) -> list[int]:
    """Return the pids of the workers that train, the first one first."""
    events = [json.loads(line) for path in runs.glob("2*/events.jsonl") for line in path.read_text().splitlines()]
    started = {event["step"]: event["pid"] for event in events if event["event"] == "started"}
    return [started["train"], started["train (worker 1)"]]


def test_two_runs_at_once_train_with_two_workers_each(tmp_path: Path, images: Path) -> None:
    folders = [tmp_path / name for name in ("one", "other")]
    with running(folders[0], images) as one, running(folders[1], images) as other:
        for process in (one, other):
            _, said = process.communicate()
            assert process.returncode == 0, said
    for folder in folders:
        steps = json.loads((folder / "latest" / "summary.json").read_text())["steps"]
        assert [step["name"] for step in steps if step["state"] == "succeeded"].count("train") == 1
        assert sorted(step["name"] for step in steps) == ["prep", "train", "train (worker 1)"]
        (model,) = (folder / "latest" / "outputs").glob("*/train/output_model")
        assert read_manifest(model).metrics["accuracy"] > 0.5
        log = (folder / "latest" / "log.txt").read_text()
        assert all(f"[worker {rank}] " in log for rank in range(2))
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("rank", [0, 1])
def test_a_lost_worker_starts_all_again_from_the_checkpoint(
    tmp_path: Path, images: Path, number: signal.Signals, rank: int
) -> None:
    given = {"epochs": 12, "checkpoint": tmp_path / "state", "checkpoint_steps": 5}
    params = [word for name, value in given.items() for word in ("--param", f"{name}={value}")]
    with running(tmp_path / "runs", images, *params) as process:
        wait_until(lambda: list((tmp_path / "state").glob("*.npz")) != [])
        before = workers_of(tmp_path / "runs")
        os.kill(before[rank], number)
        _, said = process.communicate()
        assert process.returncode == 0, said
    log = (tmp_path / "runs" / "latest" / "log.txt").read_text()
    assert "starting all 2 again, 1 of 3" in log
    assert "going on from a checkpoint" in log
    last = {
        line.partition("epoch 12/12: ")[2].rpartition(" (")[0] for line in log.splitlines() if "epoch 12/12: l" in line
    }
    assert len(last) == 1  # both workers say the same
    assert processes_of(tmp_path) == []


def test_the_error_is_that_of_the_worker_that_failed(tmp_path: Path, images: Path) -> None:
    """The checkpoint of another training, which both refuse; the other is cancelled or fails too."""
    for epochs, code in ((1, 0), (2, 1)):
        with running(
            tmp_path / "runs", images, "--param", f"epochs={epochs}", "--param", f"checkpoint={tmp_path}/s"
        ) as run:
            _, said = run.communicate()
            assert run.returncode == code, said
    assert "epochs 1 instead of epochs 2" in said
    assert "starting all" not in (tmp_path / "runs" / "latest" / "log.txt").read_text()
