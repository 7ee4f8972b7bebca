"""Pauses between the requests that poll for a state."""

from __future__ import annotations

from collections.abc import Iterator

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 5.0
_GROWTH = 1.5


def pauses(longest: float | None = None) -> Iterator[float]:
    """Yield pauses in seconds: short ones first, since a run may fail at its start.

    Args:
        longest: Limit of the pauses in seconds; None for `LONGEST_SECONDS`.
    """
    pause, limit = FIRST_SECONDS, LONGEST_SECONDS if longest is None else longest
    while True:
        yield pause
        pause = min(pause * _GROWTH, limit)
