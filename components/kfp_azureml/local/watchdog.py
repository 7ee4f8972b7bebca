"""Ends a process group: called by its owner, or run as a program that does it when the owner is gone.

As a program it reads the group's leader from its standard input and then waits for that pipe to close, which the kernel
sees to when the owner ends, even by SIGKILL. It imports nothing but the standard library.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

Hold = Callable[[int], None]

GRACE_SECONDS = 15.0
"""How long a process group may take to clean up after SIGTERM before it is killed."""


def end_group(leader: int, *, still_there: Callable[[], bool], grace_seconds: float = GRACE_SECONDS) -> None:
    """Ask a process group to end, wait for it, and kill what is left after the grace.

    Args:
        leader: The pid of the group's leader.
        still_there: Whether anything of the group is left.
        grace_seconds: How long the group may take to clean up.
    """
    _signal_group(leader, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while still_there():
        if time.monotonic() > deadline:
            _signal_group(leader, signal.SIGKILL)
            return
        time.sleep(0.02)


def group_lives(leader: int) -> bool:
    """Return whether a process group has any process, zombies included."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Wait for the end of the owner, then end the group if it is still there."""
    leader = sys.stdin.readline().strip()
    while sys.stdin.read(1):
        pass
    if leader and group_lives(int(leader)):
        end_group(int(leader), still_there=lambda: group_lives(int(leader)))


def _signal_group(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()
