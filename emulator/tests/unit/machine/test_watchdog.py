"""Child processes end with their parent, however it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from azureml_emulator.machine import processes
from azureml_emulator.machine.processes import ChildProcess
from processes import processes_of, wait_until

# A server with two workers, which says when all of them are there; the folder in its arguments tells it from others.
SERVER = """
import subprocess, sys, time
workers = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]]) for _ in range(2)]
print("up", flush=True)
time.sleep(600)
"""
STUBBORN_SERVER = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{SERVER}"
# What holds the watchdog: it starts the server as the emulator does, and waits.
HOLDER = """
import asyncio, signal, sys
from pathlib import Path
from azureml_emulator.machine.processes import ChildProcess

# A shell starts background processes with SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

async def main():
    folder = Path(sys.argv[1])
    await ChildProcess.start([sys.executable, "-c", sys.argv[2], folder / "server"], log=folder / "log")
    await asyncio.sleep(600)

asyncio.run(main())
"""


def is_up(folder: Path) -> bool:
    return (folder / "log").exists() and "up" in (folder / "log").read_text()


@pytest.mark.parametrize("server", [SERVER, STUBBORN_SERVER], ids=["obedient", "stubborn"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_its_holder(tmp_path: Path, server: str, number: signal.Signals) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path, server], stderr=subprocess.DEVNULL)
    wait_until(lambda: is_up(tmp_path))
    assert len(processes_of(tmp_path)) == 5  # holder, watchdog, server and its two workers

    holder.send_signal(number)
    holder.wait(120)

    wait_until(lambda: not processes_of(tmp_path))


def test_killing_the_holders_whole_process_group_leaves_nothing(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path, SERVER], start_new_session=True)
    wait_until(lambda: is_up(tmp_path))

    os.killpg(holder.pid, signal.SIGKILL)
    holder.wait(120)

    wait_until(lambda: not processes_of(tmp_path))


@pytest.mark.anyio
async def test_stop_ends_the_workers_too(tmp_path: Path) -> None:
    server = await ChildProcess.start([sys.executable, "-c", SERVER, tmp_path / "server"], log=tmp_path / "log")
    while not is_up(tmp_path):
        await asyncio.sleep(0.02)

    await server.stop()

    assert processes_of(tmp_path) == []
    assert server.exit_code == 128 + signal.SIGTERM


@pytest.mark.anyio
async def test_workers_of_a_server_that_crashed_are_ended(tmp_path: Path) -> None:
    crashing = SERVER.replace("time.sleep(600)\n", "sys.exit(7)\n")

    code = await processes.run([sys.executable, "-c", crashing, tmp_path / "server"], log=tmp_path / "log")

    assert code == 7
    wait_until(lambda: not processes_of(tmp_path))


@pytest.mark.skipif(sys.platform != "linux", reason="only there the watchdog inherits them")
@pytest.mark.anyio
async def test_processes_that_left_the_group_end_with_the_command(tmp_path: Path) -> None:
    escaping = SERVER.replace("sys.argv[1]])", "sys.argv[1]], start_new_session=True)")
    command = """
import subprocess, sys
server = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], stdout=subprocess.PIPE, start_new_session=True)
sys.exit(server.stdout.readline() != b"up\\n")
"""

    code = await processes.run([sys.executable, "-c", command, escaping, tmp_path / "server"], log=tmp_path / "log")

    assert code == 0
    assert processes_of(tmp_path) == []


@pytest.mark.anyio
async def test_a_cancelled_run_ends_its_command(tmp_path: Path) -> None:
    task = asyncio.create_task(processes.run([sys.executable, "-c", SERVER, tmp_path / "server"], log=tmp_path / "log"))
    while not is_up(tmp_path):
        await asyncio.sleep(0.02)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert processes_of(tmp_path) == []


@pytest.mark.anyio
async def test_the_command_gets_its_own_environment_folder_and_log(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getcwd(), os.environ.get('COLOUR'), os.environ.get('HOME'), sys.stdin.read())"

    command = [sys.executable, "-c", program]
    code = await processes.run(command, log=tmp_path / "log", env={"COLOUR": "blue"}, cwd=tmp_path)

    assert code == 0
    assert (tmp_path / "log").read_text().split() == [str(tmp_path), "blue", "None"]


@pytest.mark.anyio
async def test_a_command_that_cannot_start_says_so(tmp_path: Path) -> None:
    assert await processes.run([tmp_path / "missing"], log=tmp_path / "log") == 127
    assert "missing: No such file" in (tmp_path / "log").read_text()
