"""Watchdog: run a command and end it, and all it started, when our parent is gone.

The emulator starts each child process through this file. The kernel closes our stdin when the emulator ends, kill -9
included, so nothing outlives it. If this process itself is killed, the kernel kills the command. Standard library
only: it is run as a script.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_SECONDS = 3.0
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Run the command until it exits or stdin ends.

    Returns:
        The command's exit code; 128 + n if signal n ended it, 127 if it could not be started.
    """
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.set_wakeup_fd(wake_writer)
    # Only the pipe stops us: the emulator handles Ctrl-C. A handler, unlike SIG_IGN, is not
    # inherited by the command.
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    die_with_us = None
    if sys.platform == "linux":
        prctl, ourselves = ctypes.CDLL(None).prctl, os.getpid()
        # We inherit workers whose parent ended, so that we can reap them and see their end.
        prctl(PR_SET_CHILD_SUBREAPER, 1)

        def die_with_us() -> None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != ourselves:  # already killed
                os._exit(128 + signal.SIGKILL)

    try:
        # PDEATHSIG is sent when the thread that started the command ends: our only one.
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=die_with_us)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127
    while child.poll() is None:
        ready, _, _ = select.select([sys.stdin, wake_reader], [], [])
        if wake_reader in ready:
            os.read(wake_reader, 512)
        if sys.stdin in ready and not os.read(sys.stdin.fileno(), 512):
            break
    _end_group(child)
    code = child.wait()
    _kill_escaped()
    return code if code >= 0 else 128 - code


def _end_group(child: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + GRACE_SECONDS
    number = signal.SIGTERM if child.poll() is None else signal.SIGKILL
    try:
        os.killpg(child.pid, number)
        while time.monotonic() < deadline:
            _reap(child)
            os.killpg(child.pid, 0)
            time.sleep(0.02)
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # the group is empty


def _reap(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is not None:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-child.pid, os.WNOHANG)[0]:
                pass


def _kill_escaped() -> None:
    """End processes that left the group, for example with setsid: we inherit them."""
    while any(_end(pid) for pid in _children()):
        pass


def _children() -> list[int]:
    return [int(pid) for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()]


def _end(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except PermissionError:  # another user's by now: not ours to wait for
        return False
    os.waitpid(pid, 0)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
