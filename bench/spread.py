"""Summary of repeated figures: middle, minimum and maximum."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Repeated figures of one quantity.

    Attributes:
        middle: The median or the mean.
        low: The smallest.
        high: The largest.
        values: All, in the order of measurement.
    """

    middle: float
    low: float
    high: float
    values: tuple[float, ...]


def median_of(values: Sequence[float]) -> Spread:
    """Summarize by the median: for costs, which other work on the machine only raises."""
    return Spread(statistics.median(values), min(values), max(values), tuple(values))


def mean_of(values: Sequence[float]) -> Spread:
    """Summarize by the mean: for accuracies."""
    return Spread(statistics.fmean(values), min(values), max(values), tuple(values))


def ratio_of(ours: Sequence[float], baseline: Sequence[float]) -> Spread:
    """Return the ratios of paired runs, measured alternately."""
    return median_of([one / other for one, other in zip(ours, baseline, strict=True)])
