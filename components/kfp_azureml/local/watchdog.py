"""End a process group, as a function for its owner or as a program that does so when the owner dies.

The program reads the pid of the group's leader from stdin and then waits until that pipe closes. The kernel closes it
when the owner ends, even by SIGKILL. It imports only the standard library.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

GRACE_SECONDS = 15.0
"""Time between SIGTERM and SIGKILL, in seconds, for a process group to clean up."""


def end_group(leader: int, *, still_there: Callable[[], bool], grace_seconds: float = GRACE_SECONDS) -> None:
    """Send SIGTERM to a process group and, after the grace period, SIGKILL.

    Args:
        leader: The pid of the group's leader.
        still_there: Returns whether the group has any process left.
        grace_seconds: Grace period in seconds.
    """
    _signal_group(leader, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while still_there():
        if time.monotonic() > deadline:
            _signal_group(leader, signal.SIGKILL)
            return
        time.sleep(0.02)


def group_lives(leader: int) -> bool:
    """Tell whether a process group has any process, including zombies."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Wait until the owner ends, then end the group if it still exists."""
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
