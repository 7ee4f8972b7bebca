"""Run a command on a pseudo-terminal, to test signals from keys and prompts."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CTRL_C = "\x03"
# Makes standard input the controlling terminal, then executes the command.
_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass
class Terminal:
    """A running command and its terminal.

    Attributes:
        process: The command.
        shown: Output so far.
    """

    process: subprocess.Popen[bytes]
    _fd: int
    shown: str = ""

    def type(self, text: str) -> None:
        """Send keys."""
        os.write(self._fd, text.encode())

    def wait_for(self, text: str, seconds: float = 60.0) -> None:
        """Wait for a text; fail after a timeout."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, f"waited in vain for {text!r}: {self.shown}"
            assert self._read(), f"ended without {text!r}: {self.shown}"

    def wait(self, seconds: float = 60.0) -> int:
        """Wait for the command to exit and return its exit code."""
        deadline = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < deadline, f"does not end: {self.shown}"
        return self.process.wait(seconds)

    def _read(self) -> bool:
        """Read available output; return False at the end of output."""
        if not select.select([self._fd], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # Linux's way to say that nobody has the other end open
            return False
        self.shown += data.decode()
        return bool(data)


@contextmanager
def on_a_terminal(command: Sequence[str | Path]) -> Iterator[Terminal]:
    """Run a command on a pseudo-terminal within the block, as a shell does."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *map(str, command)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
    finally:
        os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
