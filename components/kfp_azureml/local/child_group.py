"""Run a child as a process group that ends with its owner.

A child leads its own session, so that Ctrl-C in the terminal reaches only the owner, which then ends the child's
process group. If the owner is killed, a watchdog ends the group: a separate process (`watchdog.py`) that reads a pipe
from the owner.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kfp_azureml.local import watchdog
from kfp_azureml.local.environment_variables import common_variables

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
    """Start a command as the leader of its own process group; end the group when the block ends.

    Args:
        command: The program and its arguments.
        environment: All environment variables of the child.
        stdin: As for `subprocess.Popen`.
        stdout: As for `subprocess.Popen`.
        stderr: As for `subprocess.Popen`.

    Yields:
        The running child.
    """
    with _watchdog() as guard:
        child = subprocess.Popen(
            command, env=environment, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
        )
        try:
            guard(child.pid)
            yield child
        finally:
            # `poll` reaps the child; as a zombie it would keep its group alive.
            watchdog.end_group(child.pid, still_there=lambda: child.poll() is None or watchdog.group_lives(child.pid))
            child.wait()
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream is not None:
                    stream.close()


def end_with(owner: int) -> None:
    """Wait for the owner to end, then end this process group; its watchdog may be dead too.

    Args:
        owner: The pid of the process that started this one.
    """
    while os.getppid() == owner:
        time.sleep(_POLL_SECONDS)
    with _watchdog() as guard:
        guard(os.getpgrp())


@contextmanager
def _watchdog() -> Iterator[Callable[[int], None]]:
    """Start a watchdog and yield a function that passes it the group to end; it ends with the block."""
    process = subprocess.Popen(
        # -I and -S: it needs only the standard library and starts in milliseconds.
        [sys.executable, "-I", "-S", str(Path(watchdog.__file__))],
        stdin=subprocess.PIPE,
        env=common_variables(),
        start_new_session=True,
    )
    pipe = process.stdin
    assert pipe is not None  # noqa: S101 - asked for above

    def guard(leader: int) -> None:
        pipe.write(f"{leader}\n".encode())
        pipe.flush()

    try:
        yield guard
    finally:
        pipe.close()
        process.wait()
