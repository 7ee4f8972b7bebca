"""How far a recording counts: the younger and the more frequent wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

RECENT = 2023
"""Recordings of 2022 are mostly of preview API versions whose behaviour has changed since, and are three in four."""
RECENT_WEIGHT = 5
SHARE = 0.1
"""Answers that were rarer are a region or a build of that day, not what a client has to expect."""

Years = Mapping[str, int]
"""How often something was recorded, by year."""
Counted = Mapping[str, Years]
"""Values with how often each was recorded."""


def weight(years: Years) -> float:
    """Return how much a number of recordings counts."""
    return sum(times * (RECENT_WEIGHT if is_recent(int(year)) else 1) for year, times in years.items())


def accepted(values: Counted) -> list[str]:
    """Return those of several contradicting values that are the service's, the most likely first."""
    weights = {value: weight(years) for value, years in values.items()}
    enough = SHARE * sum(weights.values())
    return sorted((value for value in weights if weights[value] >= enough), key=lambda value: (-weights[value], value))


def is_recent(year: int) -> bool:
    """Return whether a recording is of the younger ones, which alone say what an answer must have."""
    return year >= RECENT


def total(values: Iterable[Years]) -> dict[str, int]:
    """Add up numbers of recordings by year."""
    sums: dict[str, int] = {}
    for years in values:
        for year, times in years.items():
            sums[year] = sums.get(year, 0) + times
    return dict(sorted(sums.items()))
