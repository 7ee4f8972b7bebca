"""Clean up after a killed emulator: unwatched processes and temporary state.

The emulator starts it before anything else. The kernel closes its stdin when the emulator ends, however it ends.
Standard library only: it is run as a script.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

VARIABLE = "AZUREML_EMULATOR_CHILD"
"""Environment variable of child processes: RUN/CHILD, ids of the emulator and of the child."""
TEMPORARY_MARK = "temporary"
"""File that marks a temporary state folder, which can be deleted."""
WATCHDOG_SECONDS = 6.0
"""Time for watchdogs to end their process groups; they kill after 3 s."""
END_SECONDS = 10.0
POLL_SECONDS = 0.05


def main(run: str, state_dir: Path) -> None:
    """Wait for the end of the emulator, then clean up.

    Args:
        run: Prefix of `VARIABLE` in the environment of this emulator's processes.
        state_dir: Its state folder.
    """
    while os.read(sys.stdin.fileno(), 512):
        pass
    deadline = time.monotonic() + WATCHDOG_SECONDS
    while find_processes(run) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    end_processes(run)
    if (state_dir / TEMPORARY_MARK).is_file():
        shutil.rmtree(state_dir, ignore_errors=True)


def find_processes(mark: str) -> list[int]:
    """Return the ids of processes whose `VARIABLE` begins with a mark."""
    wanted = f"\0{VARIABLE}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        # A process that has just ended, or is another user's.
        with contextlib.suppress(OSError):
            if wanted in b"\0" + (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def end_processes(mark: str) -> None:
    """Kill the processes whose `VARIABLE` begins with a mark, and wait for their end."""
    deadline = time.monotonic() + END_SECONDS
    while (found := find_processes(mark)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
