"""Environment of a local run's processes, and the run's end when one of them dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fashion_slice import write_fashion_slice
from processes import processes_of

COMMAND = [str(Path(sys.executable).with_name("kfp-azureml")), "run", "--param", "epochs=1", "--param", "batch_size=64"]
CANARY = "canary-7f3a"
SECRETS = (
    *("AZ_CLIENT_SECRET", "AZURE_CLIENT_SECRET", "AZURE_STORAGE_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"),
    *("KF_PIPELINES_TOKEN", "DATABRICKS_TOKEN", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN", "SOME_API_KEY", "PGPASSWORD"),
)
# Nothing listens there: its use fails.
SOCKS = dict.fromkeys(("ALL_PROXY", "all_proxy"), "socks5h://127.0.0.1:9")
FUNCTION = b"--function_to_execute\0"
AZURE_STEPS = {"aml_preflight", "aml_live_model", "aml_register_model", "aml_deploy_model", "aml_reconcile"}
STEPS = {*AZURE_STEPS, "prep", "train", "score", "quality_gate"}


def descendants(pid: int) -> Iterator[int]:
    try:
        tasks = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return
    for child in (int(word) for text in tasks for word in text.split()):
        yield child
        yield from descendants(child)


def name_of(command: bytes) -> str:
    if FUNCTION in command:
        return command.partition(FUNCTION)[2].partition(b"\0")[0].decode()
    known = (
        "azureml_emulator/machine/watchdog.py",
        "local/watchdog.py",
        "azurite",
        "gunicorn",
        "live_check",
        "pipeline_process",
    )
    return next((each for each in known if each.encode() in command), "")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fashion_slice(tmp_path_factory.mktemp("slice"))


def test_no_process_of_a_run_sees_a_secret_that_it_does_not_need(tmp_path: Path, images: Path) -> None:
    secrets = {name: f"{CANARY}-{name}" for name in SECRETS}
    command = [*COMMAND, "--runs", str(tmp_path), "--data", str(images), "--param", "min_accuracy=0.1"]
    leaks, in_azure, seen = set(), set(), set()
    with subprocess.Popen(command, env={**os.environ, **secrets, **SOCKS}, stderr=subprocess.PIPE, text=True) as run:
        while run.poll() is None:
            time.sleep(0.02)  # leaves the run its processor
            for pid in descendants(run.pid):
                try:
                    command_line = Path(f"/proc/{pid}/cmdline").read_bytes()
                    environ = Path(f"/proc/{pid}/environ").read_bytes()
                except OSError:
                    continue  # it has ended
                if b"kfp-azureml\0run" in command_line or not command_line:
                    continue  # a copy of the run itself that does not execute its program yet
                name = name_of(command_line)
                seen.add(name)
                leaks |= {f"{command_line!r}: {text}" for text in environ.decode().split("\0") if CANARY in text}
                if b"AZ_CLIENT_SECRET=" in environ:
                    in_azure.add(name)
        errors = run.communicate()[1]
    assert run.returncode == 0, errors
    assert leaks == set()
    assert seen >= {
        *STEPS,
        "azurite",
        "gunicorn",
        "azureml_emulator/machine/watchdog.py",
        "local/watchdog.py",
        "live_check",
    }
    # Those are the Azure ML emulator's own credentials; what a step starts is named like nothing.
    assert in_azure - {"", "live_check"} == AZURE_STEPS


def test_the_end_of_the_local_azure_ml_ends_the_run_and_is_said(tmp_path: Path, images: Path) -> None:
    command = [*COMMAND, "--runs", str(tmp_path), "--data", str(images), "--param", "epochs=1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        next(line for line in run.stdout if line.split()[:2] == ["train", "running"])
        (emulator,) = (
            pid
            for pid in descendants(run.pid)
            if b"azureml-emulator\0start" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        os.kill(emulator, signal.SIGKILL)
        _, errors = run.communicate(timeout=300)
    assert run.returncode == 1
    assert errors.startswith("kfp-azureml: the Azure ML emulator was killed (SIGKILL; possibly out of memory)")
    assert len(errors.splitlines()) == 1
    assert processes_of(tmp_path) == []
