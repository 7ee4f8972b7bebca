"""Metrics against definitions written out, and scikit-learn's numbers."""

import math

import numpy as np
import pytest

from kfp_azureml.steps.score.calibration import BINS, CalibrationCounts
from kfp_azureml.steps.score.class_counts import MATRIX_CLASSES, PAIR_CLASSES, ClassCounts
from kfp_azureml.steps.score.live_score import mcnemar
from kfp_azureml.steps.score.results import ClassMetrics, Confusion, macro_f1, worst_class
from kfp_azureml.steps.score.top_classes import TOP, in_top


def test_precision_recall_and_f1_of_each_class() -> None:
    counts = ClassCounts(("a", "b", "never"))
    counts.add(np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 1, 0]))
    counts.add(np.array([1, 1, 1, 1, 1]), np.array([0, 1, 1, 1, 1]))
    first, second, never = counts.class_metrics()
    assert (first.images, first.precision, first.recall, first.f1) == (4, 3 / 5, 3 / 4, 2 / 3)
    assert (second.images, second.precision, second.recall, second.f1) == (6, 4 / 5, 4 / 6, 8 / 11)
    assert (never.images, never.precision, never.recall, never.f1) == (0, None, None, None)
    assert counts.matrix() == ((3, 1, 0), (2, 4, 0), (0, 0, 0))
    assert counts.confusions() == (Confusion(1, 0, 2), Confusion(0, 1, 1))


def test_macro_f1_is_that_of_scikit_learn() -> None:
    # f1_score([0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1], average="macro"), the example of its documentation
    counts = ClassCounts(("a", "b", "c", "neither true nor predicted"))
    counts.add(np.array([0, 1, 2, 0, 1, 2]), np.array([0, 2, 1, 0, 0, 1]))
    assert macro_f1(counts.class_metrics()) == pytest.approx(0.2666, abs=1e-4)


def test_a_class_that_is_only_predicted_counts_as_0() -> None:
    assert macro_f1([ClassMetrics("a", 2, 1, 1), ClassMetrics("b", 0, 1, 0)]) == pytest.approx(1 / 3)


def test_the_worst_class_is_one_with_images() -> None:
    classes = [ClassMetrics("a", 4, 4, 3), ClassMetrics("none", 0, 1, 0), ClassMetrics("b", 4, 2, 1)]
    assert worst_class(classes).name == "b"


def test_pairs_of_many_classes_are_not_kept() -> None:
    few, many = (ClassCounts([str(index) for index in range(size)]) for size in (PAIR_CLASSES, PAIR_CLASSES + 1))
    for counts in (few, many):
        counts.add(np.array([0, 7]), np.array([1, 7]))
        assert counts.matrix() == ()
        assert counts.class_metrics()[7].right == 1
    assert few.confusions() == (Confusion(0, 1, 1),)
    assert many.confusions() == ()
    assert ClassCounts(["a"] * MATRIX_CLASSES).matrix()


@pytest.mark.parametrize("classes", [6, 40])
def test_top_5_is_that_of_sorted_probabilities(classes: int) -> None:
    rng = np.random.default_rng(2)
    # Rounded, so that there are ties.
    probabilities = rng.dirichlet(np.ones(classes), 200).astype(np.float32).round(2)
    labels = rng.integers(0, classes, 200)
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP]
    assert in_top(probabilities, labels) == sum(label in row for label, row in zip(labels, best, strict=True))


def test_equal_probabilities_do_not_all_count() -> None:
    assert in_top(np.full((10, 10), 0.1, np.float32), np.arange(10)) == TOP


def test_the_calibration_error_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(4)
    confidence, right = rng.random(500).astype(np.float32), rng.random(500) < 0.5
    counts = CalibrationCounts()
    for start in range(0, 500, 90):
        counts.add(confidence[start : start + 90], right[start : start + 90])
    error = 0.0
    for place in range(BINS):
        inside = (confidence > place / BINS) & (confidence <= (place + 1) / BINS)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert counts.calibration().error == pytest.approx(error, abs=1e-6)
    assert sum(one.images for one in counts.calibration().bins) == 500


def test_confidences_at_the_ends_have_a_bin() -> None:
    counts = CalibrationCounts()
    counts.add(np.array([0.0, 1.0, 1.0005], np.float32), np.array([False, True, True]))
    first, last = counts.calibration().bins
    assert (first.images, first.accuracy, last.images, last.accuracy) == (1, 0, 2, 1)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (3, 3), (10, 2), (2, 10), (40, 60)])
def test_mcnemar_is_twice_the_binomial_tail(first: int, second: int) -> None:
    images = first + second
    tail = sum(math.comb(images, one) for one in range(min(first, second) + 1)) / 2**images
    assert mcnemar(first, second) == pytest.approx(min(1, 2 * tail))


def test_mcnemar_of_large_counts() -> None:
    assert mcnemar(500_000, 500_000) == 1
    # The normal approximation with continuity correction: z = (2000 - 1) / sqrt(1,000,000)
    assert mcnemar(501_000, 499_000) == pytest.approx(math.erfc(1.999 / math.sqrt(2)), rel=1e-3)
    assert mcnemar(1_000_000, 0) == 0
