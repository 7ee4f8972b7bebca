"""Several figures of one quantity, as one: the middle, and how far apart they are."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Several figures of one quantity.

    Attributes:
        middle: Their median, or their mean where that is what was asked for.
        low: The smallest.
        high: The largest.
        values: All, in the order in which they were measured.
    """

    middle: float
    low: float
    high: float
    values: tuple[float, ...]


def median_of(values: Sequence[float]) -> Spread:
    """Sum figures up by their median: for costs, which other work on the machine can only raise."""
    return Spread(statistics.median(values), min(values), max(values), tuple(values))


def mean_of(values: Sequence[float]) -> Spread:
    """Sum figures up by their mean: for accuracies, each of which is as good as the others."""
    return Spread(statistics.fmean(values), min(values), max(values), tuple(values))


def ratio_of(ours: Sequence[float], baseline: Sequence[float]) -> Spread:
    """Compare run by run: each of ours with the run of the baseline beside it.

    Args:
        ours: Our figures.
        baseline: The baseline's, as many, measured alternately with ours.
    """
    return median_of([one / other for one, other in zip(ours, baseline, strict=True)])
