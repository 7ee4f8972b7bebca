"""Child processes that end when their owner ends, whatever way it ends.

Every child leads a session of its own, so that a Ctrl-C in the terminal reaches only the owner, which then ends the
child's whole process group in order. The child's standard input is a pipe that nothing is ever written to: should the
owner be killed, the pipe closes, and a child that watches it (`end_with_owner`) ends its group itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

GRACE_SECONDS = 15.0
"""How long a process group may take to clean up after SIGTERM before it is killed."""


@contextmanager
def child_group(
    command: Sequence[str], environment: Mapping[str, str], *, stdout: int | BinaryIO, stderr: int | BinaryIO
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command as the leader of its own process group; when the block ends, the whole group has ended.

    Args:
        command: The program and its arguments.
        environment: All of the child's environment variables.
        stdout: As for `subprocess.Popen`.
        stderr: Likewise.

    Yields:
        The running child.
    """
    child = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, start_new_session=True
    )
    try:
        yield child
    finally:
        end_group(child)


def end_group(child: subprocess.Popen[bytes], grace_seconds: float = GRACE_SECONDS) -> None:
    """Ask a child's process group to end, wait for it, and kill what is left after the grace.

    Args:
        child: The group's leader, as `child_group` started it.
        grace_seconds: How long the group may take to clean up.
    """
    _signal_group(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline:
        child.poll()  # reaps the leader, which would otherwise keep the group alive as a zombie
        if not _group_lives(child.pid):
            break
        time.sleep(0.05)
    else:
        _signal_group(child.pid, signal.SIGKILL)
    child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            stream.close()


def end_with_owner(grace_seconds: float = GRACE_SECONDS) -> None:
    """In a child started by `child_group`: end its whole process group as soon as the owner is gone.

    Standard input is replaced, so that grandchildren do not hold the pipe.

    Args:
        grace_seconds: How long the group may take to clean up before it is killed.
    """
    pipe = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)

    def watch() -> None:
        while os.read(pipe, 1):
            pass
        os.killpg(0, signal.SIGTERM)
        time.sleep(grace_seconds)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, name="end-with-owner", daemon=True).start()


def _signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return


def _group_lives(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True
