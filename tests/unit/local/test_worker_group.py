"""Processes that train together: started, printed, ended and started again as one."""

from __future__ import annotations

import json
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kfp_azureml.local import private_network as private_network_module
from kfp_azureml.local import watchdog
from kfp_azureml.local.private_network import private_network
from kfp_azureml.local.worker_group import RESTARTS, check_workers, run_workers
from kfp_azureml.runtime.errors import PipelineError
from processes import wait_until

HEAD = """
import json, os, pathlib, signal, sys, time
config = json.loads(os.environ["TF_CONFIG"])
rank, here = config["task"]["index"], pathlib.Path(sys.argv[1])
attempts = here / f"attempts-{rank}"
attempt = len(attempts.read_text()) if attempts.exists() else 0
attempts.write_text("x" * (attempt + 1))
(here / f"pid-{rank}-{attempt}").write_text(str(os.getpid()))
ranks = range(len(config["cluster"]["worker"]))
while not all((here / f"pid-{other}-{attempt}").exists() for other in ranks): time.sleep(.01)
"""


def run(folder: Path, program: str, count: int = 2, *more: str, **variables: str) -> int:
    return run_workers(count, [sys.executable, "-c", HEAD + program, str(folder), *more], {**os.environ, **variables})


def attempts(folder: Path) -> list[int]:
    return [len((folder / f"attempts-{rank}").read_text()) for rank in range(2)]


def living(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("pid-*") if Path("/proc", path.read_text()).exists()]


def test_each_worker_knows_the_others_and_its_lines_are_marked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = """
print(json.dumps(config), os.environ.get("KFP_AZUREML_WORKER", "none"))
time.sleep(.2)
print("two")
"""
    assert run(tmp_path, program, 3) == 0
    lines = sorted(capfd.readouterr().out.splitlines())
    assert [line.partition("]")[0] for line in lines] == [f"[worker {rank}" for rank in (0, 0, 1, 1, 2, 2)]
    said = [line.partition("] ")[2] for line in lines if "TF_CONFIG" not in line and "{" in line]
    configs = [json.loads(line.rpartition(" ")[0]) for line in said]
    assert len({tuple(config["cluster"]["worker"]) for config in configs}) == 1
    assert len(set(configs[0]["cluster"]["worker"])) == 3
    assert [line.rpartition(" ")[2] for line in said] == ["none", "1", "2"]


def test_only_the_first_worker_has_the_steps_output_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given = {"inputs": {"parameterValues": {"epochs": 2}}, "outputs": {"outputFile": "/results.json"}}
    program = "print(sys.argv[3], sys.argv[2])"
    assert run(tmp_path, program, 2, "--executor_input", json.dumps(given)) == 0
    seen = [
        json.loads(line.partition("] ")[2].rpartition(" ")[0]) for line in sorted(capfd.readouterr().out.splitlines())
    ]
    assert seen[0] == given
    assert seen[1]["inputs"] == given["inputs"]
    assert seen[1]["outputs"]["outputFile"] != "/results.json"


@pytest.mark.parametrize("code", [1, 3, 130])
def test_a_failure_ends_all_and_is_not_tried_again(tmp_path: Path, code: int) -> None:
    assert run(tmp_path, f"sys.exit({code}) if rank else time.sleep(600)") == code
    assert attempts(tmp_path) == [1, 1]
    assert living(tmp_path) == []


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os.abort()", "sys.exit(137)", "sys.exit(75)"])
def test_a_lost_worker_starts_all_again(tmp_path: Path, capfd: pytest.CaptureFixture[str], end: str) -> None:
    program = f"""
if rank == 1 and attempt == 0: {end}
if attempt == 0: time.sleep(600)
"""
    assert run(tmp_path, program) == 0
    assert attempts(tmp_path) == [2, 2]
    assert living(tmp_path) == []
    assert f"starting all 2 again, 1 of {RESTARTS}" in capfd.readouterr().out


def test_a_frozen_worker_is_ended_when_the_other_has_lost_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the child of a shell, as kfp's steps are."""
    monkeypatch.setattr(watchdog.end_group, "__kwdefaults__", {"grace_seconds": 0.1})
    program = """
if rank == 1 and attempt == 0: os.kill(os.getpid(), signal.SIGSTOP)
if attempt == 0:
    time.sleep(.3)
    sys.exit(75)
"""
    inner = [sys.executable, "-c", HEAD + program, str(tmp_path)]
    assert run_workers(2, ["sh", "-c", '"$0" "$@"; exit $?', *inner], os.environ) == 0
    assert attempts(tmp_path) == [2, 2]
    assert living(tmp_path) == []


def is_possible() -> bool:
    with private_network() as joining:
        return bool(joining)


@pytest.mark.skipif(not is_possible(), reason="this system allows no network namespace")
def test_nobody_else_reaches_the_workers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """TensorFlow's servers listen on all interfaces, and run what they get."""
    program = """
import socket
with socket.create_server(("0.0.0.0", 0)) as server:
    port = server.getsockname()[1]
    (here / f"port-{rank}").write_text(str(port))
    while not (here / f"port-{1 - rank}").exists(): time.sleep(.01)
    time.sleep(.2)
    socket.create_connection(("127.0.0.1", int((here / f"port-{1 - rank}").read_text()))).close()
    print("user", os.getuid(), "interfaces", [name for _, name in socket.if_nameindex() if name == "lo"])
    (here / f"done-{rank}").touch()
    while not (here / "end").exists(): time.sleep(.01)
"""
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run, tmp_path, program)
        try:
            wait_until(lambda: running.done() or len(list(tmp_path.glob("done-*"))) == 2)
            for rank in range(2):
                port = int((tmp_path / f"port-{rank}").read_text())
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port), timeout=5)
        finally:
            (tmp_path / "end").touch()
    assert running.result() == 0
    out = capfd.readouterr().out
    assert out.count(f"user {os.getuid()} ") == 2
    assert "WARNING" not in out


def test_workers_that_need_the_network_have_it_with_a_warning(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    network = "print(os.readlink('/proc/self/ns/net'))"
    own = str(Path("/proc/self/ns/net").readlink())
    given = {"inputs": {"parameterValues": {"checkpoint": "abfss://a@b/c"}}, "outputs": {"outputFile": "/results.json"}}
    assert run(tmp_path, network, 2, "--executor_input", json.dumps(given)) == 0
    out = capfd.readouterr().out
    assert out.count(own) == 2
    assert "WARNING: checkpoint is elsewhere: whoever reaches this machine's ports" in out
    assert run(tmp_path, network, 2, MLFLOW_TRACKING_URI="https://mlflow.example") == 0
    assert "WARNING: MLFLOW_TRACKING_URI is elsewhere" in capfd.readouterr().out


def test_a_system_without_namespaces_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_network_module, "__file__", str(tmp_path / "missing.py"))
    assert run(tmp_path, "") == 0
    assert "WARNING: this system allows no network of their own" in capfd.readouterr().out


def test_it_is_not_tried_for_ever(tmp_path: Path) -> None:
    assert run(tmp_path, "os.kill(os.getpid(), signal.SIGKILL) if rank else time.sleep(600)") == -9
    assert attempts(tmp_path) == [1 + RESTARTS] * 2


def test_a_pipeline_that_trains_nothing_has_no_workers() -> None:
    executors = {
        "exec-a": {
            "container": {"command": ["x"], "args": ["--executor_input", "{{$}}", "--function_to_execute", "prep"]}
        }
    }
    with pytest.raises(PipelineError, match="component train, which the pipeline does not have"):
        check_workers(executors)
    check_workers({**executors, "exec-b": {"container": {"args": ["--function_to_execute", "train"]}}})
