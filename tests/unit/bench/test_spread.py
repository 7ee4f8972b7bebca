"""The summary of repeated figures."""

import pytest

from bench.spread import mean_of, median_of, ratio_of


def test_costs_are_summed_up_by_their_median_so_that_one_disturbed_run_does_not_count() -> None:
    spread = median_of([2.0, 9.0, 1.0])
    assert (spread.middle, spread.low, spread.high, spread.values) == (2.0, 1.0, 9.0, (2.0, 9.0, 1.0))


def test_accuracies_are_summed_up_by_their_mean() -> None:
    spread = mean_of([0.9, 0.93, 0.96])
    assert spread.middle == pytest.approx(0.93)
    assert (spread.low, spread.high) == (0.9, 0.96)


def test_ratios_compare_run_by_run() -> None:
    # The second pair was measured while the machine was busy: it has the same ratio.
    spread = ratio_of([1.0, 4.0, 2.0], [2.0, 8.0, 2.0])
    assert spread.values == (0.5, 0.5, 1.0)
    assert spread.middle == 0.5


def test_sides_with_different_numbers_of_runs_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="longer"):
        ratio_of([1.0], [1.0, 2.0])
