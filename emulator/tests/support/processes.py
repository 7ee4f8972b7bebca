"""Find the processes of a run."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def processes_of(run: Path) -> list[int]:
    """Return the pids whose environment or arguments name the run's folder."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            text = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if str(run).encode() in text:
            found.append(int(process.name))
    return found


def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait for a condition; fail after a timeout."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
