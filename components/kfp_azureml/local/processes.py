"""Child processes that end when their owner ends, whatever way it ends.

Every child leads a session of its own, so that a Ctrl-C in the terminal reaches only the owner, which then ends the
child's whole process group in order. Should the owner be killed, a leash does it: a small process (`watchdog.py`) that
hangs on a pipe from the owner and outlives whatever happens to the group.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kfp_azureml.local import watchdog
from kfp_azureml.local.environments import everybodys

_POLL_SECONDS = 0.25


@contextmanager
def child_group(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: int | BinaryIO = subprocess.DEVNULL,
    stdout: int | BinaryIO,
    stderr: int | BinaryIO,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command as the leader of its own process group; when the block ends, the whole group has ended.

    Args:
        command: The program and its arguments.
        environment: All of the child's environment variables.
        stdin: As for `subprocess.Popen`.
        stdout: Likewise.
        stderr: Likewise.

    Yields:
        The running child.
    """
    with _leash() as hold:
        child = subprocess.Popen(
            command, env=environment, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
        )
        try:
            hold(child.pid)
            yield child
        finally:
            # Polling the child reaps it: as a zombie it would keep its group alive.
            watchdog.end_group(child.pid, still_there=lambda: child.poll() is None or watchdog.group_lives(child.pid))
            child.wait()
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream is not None:
                    stream.close()


def end_with(owner: int) -> None:
    """Wait until the owner has ended, and have our own process group ended then: its leash may have been killed, too.

    Args:
        owner: The pid of the process that started this one.
    """
    while os.getppid() == owner:
        time.sleep(_POLL_SECONDS)
    with _leash() as hold:
        hold(os.getpgrp())


@contextmanager
def _leash() -> Iterator[watchdog.Hold]:
    """Start a leash and yield what tells it the group to end; it ends with the block."""
    process = subprocess.Popen(
        # -I and -S: it needs the standard library only, and starts in milliseconds.
        [sys.executable, "-I", "-S", str(Path(watchdog.__file__))],
        stdin=subprocess.PIPE,
        env=everybodys(),
        start_new_session=True,
    )
    pipe = process.stdin
    assert pipe is not None  # noqa: S101 - asked for above

    def hold(leader: int) -> None:
        pipe.write(f"{leader}\n".encode())
        pipe.flush()

    try:
        yield hold
    finally:
        pipe.close()
        process.wait()
