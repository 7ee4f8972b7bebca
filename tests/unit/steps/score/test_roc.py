"""The ROC curve: an example computed by hand, and properties of any curve."""

from collections.abc import Sequence

import numpy as np
import pytest

from kfp_azureml.imagesets.image_set import Batch
from kfp_azureml.steps.score.roc import POINTS, RocCounts, RocCurve
from kfp_azureml.steps.score.scored_batch import ScoredBatch


def curve_of(labels: Sequence[int], probabilities: np.ndarray, batch: int = 100) -> RocCurve | None:
    counts = RocCounts()
    truth, scores = np.asarray(labels, np.uint8), np.asarray(probabilities, np.float32)
    for start in range(0, len(truth), batch):
        rows = slice(start, start + batch)
        images = np.zeros((len(truth[rows]), 1, 1, 1), np.uint8)
        predicted = scores[rows].argmax(axis=1).astype(np.uint8)
        counts.add(ScoredBatch(start, Batch(images, truth[rows]), scores[rows], predicted))
    return counts.curve()


def of_two(probabilities_of_the_second: Sequence[float]) -> np.ndarray:
    second = np.array(probabilities_of_the_second)
    return np.stack([1 - second, second], axis=1)


def rank_statistic(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Return the fraction of pairs in which the positive has the higher score, ties counted half."""
    return float(np.mean((positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)))


def test_a_curve_computed_by_hand() -> None:
    # By descending score: positive .9, negative .8, positive .7 and negative .7 tied, positive .4, negative .1.
    curve = curve_of([1, 0, 1, 0, 1, 0], of_two([0.9, 0.8, 0.7, 0.7, 0.4, 0.1]), batch=4)
    assert curve is not None
    points = list(zip(curve.false_positive_rate, curve.true_positive_rate, strict=True))
    thirds = [(0, 0), (0, 1), (1, 1), (2, 2), (2, 3), (3, 3)]
    assert points == [pytest.approx((wrong / 3, right / 3)) for wrong, right in thirds]
    # Each is the highest threshold that the scores reach: at most one step in log-odds, 0.025, below them.
    assert curve.thresholds == pytest.approx([1, 0.9, 0.8, 0.7, 0.4, 0.1], abs=0.025 / 4)
    # Of nine pairs: .9 beats three, .7 beats one and ties one, .4 beats one.
    assert curve.area == pytest.approx((3 + 1.5 + 1) / 9)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("certainty", [0.3, 3, 30])
def test_points_match_their_thresholds_and_the_area_the_rank_statistic(classes: int, certainty: float) -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, classes, 400)
    logits = rng.normal(size=(400, classes)) + 2 * np.eye(classes)[labels]
    powers = np.exp(certainty * (logits - logits.max(axis=1, keepdims=True)))
    probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    curve = curve_of(labels, probabilities)
    assert curve is not None

    is_it = np.eye(classes, dtype=bool)[labels]
    if classes == 2:
        is_it, probabilities = is_it[:, 1], probabilities[:, 1]
    positives, negatives = probabilities[is_it], probabilities[~is_it]
    wrong, right = np.array(curve.false_positive_rate), np.array(curve.true_positive_rate)
    for index, threshold in list(enumerate(curve.thresholds))[1:]:
        assert wrong[index] == pytest.approx((negatives >= threshold).mean(), abs=1e-12)
        assert right[index] == pytest.approx((positives >= threshold).mean(), abs=1e-12)
    assert curve.area == pytest.approx(rank_statistic(positives, negatives), abs=1e-3)
    assert np.trapezoid(right, wrong) == pytest.approx(curve.area, abs=2e-3)  # what is shown is the whole curve's shape

    assert (wrong[0], right[0], wrong[-1], right[-1]) == (0, 0, 1, 1)
    assert (np.diff(wrong) >= 0).all()
    assert (np.diff(right) >= 0).all()
    assert (np.diff(curve.thresholds) <= 0).all()
    assert np.isfinite([*wrong, *right, *curve.thresholds, curve.area]).all()
    assert len(wrong) == len(right) == len(curve.thresholds) <= POINTS


def test_probabilities_of_0_and_1_have_a_curve() -> None:
    curve = curve_of([0, 1, 1], of_two([0, 1, 1]))
    assert curve == RocCurve((0, 0, 1), (0, 1, 1), (1, 1, 0), 1)


@pytest.mark.parametrize(("labels", "probabilities"), [([1, 1], of_two([0.1, 0.9])), ([0, 0], np.ones((2, 1)))])
def test_a_set_of_one_class_has_no_curve(labels: list[int], probabilities: np.ndarray) -> None:
    assert curve_of(labels, probabilities) is None
