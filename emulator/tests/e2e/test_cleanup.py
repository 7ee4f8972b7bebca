"""The emulator leaves no process and no port, however it ends."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from click.testing import CliRunner

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_emulator.cli import main
from azureml_emulator.test_control.client import Control
from azureml_rest import SCORING_PACKAGE, conda_file, signed_in_workspace
from processes import processes_of, wait_until

START = [sys.executable, "-m", "azureml_emulator", "start", "--json", "--state-dir"]
# A process that starts the emulator and passes its ready line on.
PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
print(child.stdout.readline().decode(), end="", flush=True)
child.wait()
"""


def start(command: list[object]) -> tuple[subprocess.Popen[bytes], EmulatorInfo]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, EmulatorInfo.from_json(process.stdout.readline().decode())


def start_keeping_nothing() -> tuple[subprocess.Popen[bytes], EmulatorInfo]:
    return start([*START[:-1], "--scoring", "real"])


def started_by(script: str, info: EmulatorInfo) -> list[psutil.Process]:
    """Find the emulator's own children that run one of its scripts."""
    return running(script, psutil.Process(info.pid).children())


def running(script: str, processes: list[psutil.Process]) -> list[psutil.Process]:
    """Select the processes that run a script; one may end while it is looked at."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if any(word.endswith(script) for word in process.cmdline()):
                found.append(process)
    return found


def kill(processes: list[psutil.Process]) -> None:
    assert processes
    for process in processes:
        process.kill()


def assert_nothing_is_left(info: EmulatorInfo) -> None:
    wait_until(lambda: not processes_of(Path(info.state_dir)))
    proxy = urlsplit(info.proxy_url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((proxy.hostname, proxy.port), timeout=300)


def make_it_serve(info: EmulatorInfo) -> None:
    """Give it a deployment, whose server has a worker of its own."""
    with signed_in_workspace(info) as workspace:
        workspace.wait(workspace.put("onlineEndpoints/digits", authMode="Key"))
        workspace.upload_code("echo", "def init():\n    pass\n\n\ndef run(data):\n    return data\n")
        workspace.put("environments/serving/versions/1", image="an/image", condaFile=conda_file(SCORING_PACKAGE))
        assert workspace.wait(workspace.deploy("blue", "echo", "serving"))["status"] == "Succeeded"


def make_it_run_a_job(info: EmulatorInfo) -> None:
    """Let a command run, with a process in the background."""
    with signed_in_workspace(info) as workspace:
        workspace.put("environments/plain/versions/1", image="an/image", condaFile=conda_file())
        environment = f"{workspace.id}/environments/plain/versions/1"
        workspace.put("jobs/waits", jobType="Command", command="sleep 600 & sleep 600", environmentId=environment)
        wait_until(lambda: workspace.get("jobs/waits")["properties"]["status"] == "Running", 180)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    process, info = start([*START, tmp_path])
    make_it_serve(info)
    make_it_run_a_job(info)
    # The emulator, its crash cleanup, Azurite, gunicorn, its worker, a shell with two commands, three watchdogs.
    wait_until(lambda: len(processes_of(tmp_path)) >= 11)

    process.send_signal(number)
    code = process.wait(180)

    assert_nothing_is_left(info)
    if number is not signal.SIGKILL:
        assert code == 0
        assert not (tmp_path / "emulator.json").exists()


# Azurite, a server and a job each have a watchdog: watchdog.py. The last one, crash_cleanup.py, is the emulator's own.
@pytest.mark.parametrize(
    "killed",
    [
        ["self"],
        ["watchdog.py", "self"],
        ["crash_cleanup.py", "self"],
        ["self", "crash_cleanup.py"],
        ["self", "watchdog.py"],
    ],
)
def test_nothing_is_left_whichever_process_is_killed(killed: list[str]) -> None:
    process, info = start_keeping_nothing()
    make_it_serve(info)
    make_it_run_a_job(info)
    folder = Path(info.state_dir)
    victims = [[psutil.Process(info.pid)] if name == "self" else started_by(name, info) for name in killed]

    for each in victims:
        kill(each)
    process.wait(30)

    # Of those that watch over an emulator some must be left: with all of them killed at once the next start removes it.
    assert_nothing_is_left(info)
    if "crash_cleanup.py" in killed:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        wait_until(lambda: not folder.exists())


def test_a_killed_crash_cleanup_is_replaced() -> None:
    process, info = start_keeping_nothing()
    kill(started_by("crash_cleanup.py", info))
    wait_until(lambda: started_by("crash_cleanup.py", info))

    process.kill()
    process.wait(30)

    wait_until(lambda: not Path(info.state_dir).exists())


def test_the_next_start_removes_the_folder_if_all_were_killed() -> None:
    process, info = start_keeping_nothing()
    kill([psutil.Process(info.pid), *started_by("crash_cleanup.py", info), *started_by("watchdog.py", info)])
    process.wait(30)
    assert_nothing_is_left(info)
    assert Path(info.state_dir).exists()

    with running_emulator():
        assert not Path(info.state_dir).exists()


@pytest.mark.parametrize("script", ["watchdog.py", "blob/main.js"])
def test_without_azurite_it_ends_and_says_so(tmp_path: Path, script: str) -> None:
    process = subprocess.Popen([*START, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    info = EmulatorInfo.from_json(process.stdout.readline().decode())
    kill(running(script, psutil.Process(info.pid).children(recursive=True)))

    _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert errors.decode().splitlines()[-1].startswith("Error: the blob store (Azurite) ended with exit code")
    assert_nothing_is_left(info)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    process, info = start([sys.executable, "-c", PARENT, *START, tmp_path])
    assert process.pid != info.pid

    process.send_signal(number)
    process.wait(180)

    assert_nothing_is_left(info)


def test_a_signal_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen([*START, tmp_path], stdout=subprocess.PIPE)
    wait_until(lambda: (tmp_path / "azurite.log").exists())

    process.terminate()

    assert process.communicate(timeout=120) == (b"", None)
    assert process.returncode == 0
    wait_until(lambda: not processes_of(tmp_path))


def test_detached_it_lives_until_it_is_stopped(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "azureml_emulator", *arguments, "--state-dir", str(tmp_path)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout

    info = EmulatorInfo.from_json(run("start", "--detach", "--json", "--token-seconds", "7", "--control"))
    assert b"--token-seconds\x007\x00" in Path(f"/proc/{info.pid}/cmdline").read_bytes()
    with Control(info) as control:
        assert control.requests() == []
    with signed_in_workspace(info) as workspace:
        assert workspace.http.get(workspace.url).status_code == 200
    assert json.loads((tmp_path / "emulator.json").read_text())["pid"] == info.pid
    assert f"export HTTPS_PROXY={info.proxy_url}\n" in run("env")
    shell = f"{run('env')}compgen -e\n{run('env', '--unset')}echo later\ncompgen -e\n"
    names = subprocess.run(["bash", "-c", shell], check=True, capture_output=True, text=True).stdout
    before, _, after = names.partition("later\n")
    assert info.environment.keys() <= set(before.splitlines())
    assert not info.environment.keys() & set(after.splitlines())
    log = (tmp_path / "emulator.log").read_text()
    for options in ([], ["--detach"]):
        second = CliRunner().invoke(main, ["start", *options, "--state-dir", str(tmp_path)])
        assert (second.exit_code, second.output) == (
            1,
            f"Error: another emulator is running on {tmp_path}: stop it or choose another --state-dir\n",
        )
    assert (tmp_path / "emulator.log").read_text() == log

    run("stop")

    assert_nothing_is_left(info)
    stopped = CliRunner().invoke(main, ["stop", "--state-dir", str(tmp_path)])
    assert (stopped.exit_code, stopped.output) == (1, f"Error: no emulator is running on {tmp_path}\n")


def test_a_killed_emulators_file_is_ignored(tmp_path: Path) -> None:
    process, info = start([*START, tmp_path])
    process.kill()
    process.wait(180)
    assert_nothing_is_left(info)
    assert (tmp_path / "emulator.json").exists()

    stopped = CliRunner().invoke(main, ["stop", "--state-dir", str(tmp_path)])

    assert (stopped.exit_code, stopped.output) == (1, f"Error: no emulator is running on {tmp_path}\n")
