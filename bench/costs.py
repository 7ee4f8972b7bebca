"""Rows for the cost of whole processes, from alternating runs of both sides."""

from __future__ import annotations

from collections.abc import Sequence

from bench.row import Goal, Row, compared
from bench.usage import MEGABYTE, Usage


def user_cpu(
    name: str,
    baseline: Sequence[Usage],
    ours: Sequence[Usage],
    goal: Goal | None = None,
    note: str = "",
    images: int | None = None,
) -> Row:
    """Return the row of user CPU seconds."""
    theirs, own = [usage.user for usage in baseline], [usage.user for usage in ours]
    return compared(f"{name}: user CPU", "s", theirs, own, goal, note, images)


def wall_time(
    name: str, baseline: Sequence[Usage], ours: Sequence[Usage], goal: Goal | None = None, note: str = ""
) -> Row:
    """Return the row of wall seconds."""
    theirs, own = [usage.wall for usage in baseline], [usage.wall for usage in ours]
    return compared(f"{name}: wall time", "s", theirs, own, goal, note)


def peak_rss(
    name: str,
    baseline: Sequence[Usage],
    ours: Sequence[Usage],
    goal: Goal | None = None,
    note: str = "",
    images: int | None = None,
) -> Row:
    """Return the row of peak resident memory in MB."""
    theirs, own = [usage.peak_rss / MEGABYTE for usage in baseline], [usage.peak_rss / MEGABYTE for usage in ours]
    return compared(f"{name}: peak RSS", "MB", theirs, own, goal, note, images)
