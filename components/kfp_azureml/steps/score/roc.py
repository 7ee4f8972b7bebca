"""The ROC curve of a stream of scored images, in memory that does not grow with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kfp_azureml.steps.score.scored_batch import ScoredBatch

POINTS = 100
"""The curve is kept in a metadata store, and drawn some hundred pixels wide."""

# Even steps in log-odds, since a good model's probabilities crowd near 0 and 1; as far as float32 can tell.
THRESHOLDS = np.concatenate([[0.0], 1 / (1 + np.exp(-np.linspace(-87, 17, 4161))), [1.0]])


@dataclass(frozen=True)
class RocCurve:
    """How many wrong answers each share of the right ones costs; from (0, 0) to (1, 1), all numbers finite.

    Attributes:
        false_positive_rate: Of each point, the share of negatives whose probability reaches the threshold; ascending.
        true_positive_rate: Likewise of the positives.
        thresholds: Probabilities, descending; the first point, which nothing reaches, has 1 like the next.
        area: Under the whole curve: the probability that a positive gets more than a negative, ties counted half.
    """

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    thresholds: tuple[float, ...]
    area: float


class RocCounts:
    """Counts how many positives and negatives reach which threshold.

    With two classes the question is whether an image is of the second one. With more it is asked of each image and each
    class (one against the rest, micro-averaged). Most of these are easily denied: the more classes, the nearer to 1
    is the area, so it compares models on the same set, and nothing else.
    """

    def __init__(self) -> None:
        self._positives = np.zeros(len(THRESHOLDS) + 1, np.int64)
        self._negatives = np.zeros(len(THRESHOLDS) + 1, np.int64)

    def add(self, scored: ScoredBatch) -> None:
        """Count some scored images."""
        labels, probabilities = scored.batch.labels, scored.probabilities
        if probabilities.shape[1] == 2:
            all_scores = probabilities[:, 1]
            positives = _count(all_scores[labels == 1])
        else:
            all_scores = probabilities.ravel()
            positives = _count(probabilities[np.arange(len(labels)), labels])
        self._positives += positives
        self._negatives += _count(all_scores) - positives

    def curve(self) -> RocCurve | None:
        """Return the curve, of at most `POINTS` points; None if there are no positives, or no negatives."""
        if not self._positives.sum() or not self._negatives.sum():
            return None
        right, wrong = _reaching(self._positives), _reaching(self._negatives)
        area = float(np.trapezoid(right, wrong))
        thresholds = np.concatenate([[1.0], THRESHOLDS[::-1]])
        # The points that come first after even steps along the curve, so that its steep part has as many as its flat.
        way = right + wrong
        shown = np.unique(np.searchsorted(way, np.linspace(0, way[-1], POINTS)))
        return RocCurve(
            tuple(wrong[shown].tolist()), tuple(right[shown].tolist()), tuple(thresholds[shown].tolist()), area
        )


def _count(scores: np.ndarray) -> np.ndarray:
    """Return how many scores lie below the first threshold, between it and the second, ..., at the last or above."""
    return np.bincount(np.searchsorted(THRESHOLDS, scores, side="right"), minlength=len(THRESHOLDS) + 1)


def _reaching(counts: np.ndarray) -> np.ndarray:
    """Return which share reaches each threshold, from the highest down, after a first 0."""
    return np.asarray(np.concatenate([[0], np.cumsum(counts[:0:-1])]) / counts.sum())
