from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from azureml_emulator.machine.locks import is_locked, locked
from azureml_emulator.machine.processes import ChildProcess

pytestmark = pytest.mark.anyio


async def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "lock")
    async with locked(tmp_path / "lock"):
        assert is_locked(tmp_path / "lock")
        with pytest.raises(TimeoutError):
            async with locked(tmp_path / "lock", seconds=0):
                pass
    assert not is_locked(tmp_path / "lock")


async def test_the_next_one_waits(tmp_path: Path) -> None:
    async def hold(name: str) -> None:
        async with locked(tmp_path / "lock"):
            order.append(name)
            await asyncio.sleep(0.01)
            order.append(name)

    order: list[str] = []
    await asyncio.gather(hold("a"), hold("b"))

    assert order in (["a", "a", "b", "b"], ["b", "b", "a", "a"])


async def test_a_child_holds_the_lock_on(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    async with locked(tmp_path / "lock") as lock:
        child = await ChildProcess.start(command, log=tmp_path / "log", lock=lock)

    assert is_locked(tmp_path / "lock")
    await child.stop()
    assert not is_locked(tmp_path / "lock")


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    program = "import fcntl, os, sys; fcntl.flock(open(sys.argv[1], 'w'), fcntl.LOCK_EX); os.kill(os.getpid(), 9)"

    subprocess.run([sys.executable, "-c", program, tmp_path / "lock"], check=False)

    assert not is_locked(tmp_path / "lock")
