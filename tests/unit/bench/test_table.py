"""The measurements: names, inputs and scales."""

from bench.context import REPOSITORY
from bench.measurement import EVERYWHERE
from bench.table import FULL, MEASUREMENTS


def test_names_are_unique() -> None:
    names = [measurement.name for measurement in MEASUREMENTS]
    assert len(names) == len(set(names))


def test_every_pattern_names_files_that_are_there() -> None:
    patterns = {pattern for measurement in MEASUREMENTS for pattern in (*measurement.inputs, *EVERYWHERE)}
    assert [pattern for pattern in sorted(patterns) if not any(REPOSITORY.glob(pattern))] == []


def test_all_images_and_at_least_three_seeds_are_measured() -> None:
    assert FULL.images == (60_000, 10_000)
    assert len(set(FULL.seeds)) >= 3
