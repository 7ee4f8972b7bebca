"""The ROC curve of a stream of scored batches, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from kfp_azureml.steps.score.scored_batch import ScoredBatch

POINTS = 100
"""Maximum number of points: the curve is kept in a metadata store and drawn some hundred pixels wide."""

# Evenly spaced in log-odds over the range of float32: a good model's probabilities are close to 0 and 1.
THRESHOLDS = np.concatenate([[0.0], 1 / (1 + np.exp(-np.linspace(-87, 17, 4161))), [1.0]])


@dataclass(frozen=True)
class RocCurve:
    """A ROC curve from (0, 0) to (1, 1); all numbers are finite.

    Attributes:
        false_positive_rate: False positive rate of each point, ascending.
        true_positive_rate: True positive rate of each point, ascending.
        thresholds: Threshold of each point, descending from 1; the point (0, 0) has threshold 1 too.
        area: Area under the curve (AUC).
    """

    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    thresholds: tuple[float, ...]
    area: float


class RocCounts:
    """Histograms of positives and negatives over the thresholds.

    With two classes the second is the positive one. With more the curve is micro-averaged over one-vs-rest. Its area
    approaches 1 with the number of classes: compare models on the same set only.
    """

    def __init__(self) -> None:
        self._positives = np.zeros(len(THRESHOLDS) + 1, np.int64)
        self._negatives = np.zeros(len(THRESHOLDS) + 1, np.int64)

    def add(self, scored: ScoredBatch) -> None:
        """Count a batch."""
        labels, probabilities = scored.batch.labels, scored.probabilities
        if probabilities.shape[1] == 2:
            all_scores = probabilities[:, 1]
            positives = _histogram(all_scores[labels == 1])
        else:
            all_scores = probabilities.ravel()
            positives = _histogram(probabilities[np.arange(len(labels)), labels])
        self._positives += positives
        self._negatives += _histogram(all_scores) - positives

    def curve(self) -> RocCurve | None:
        """Return the curve, of at most `POINTS` points; None if there are no positives or no negatives."""
        if not self._positives.sum() or not self._negatives.sum():
            return None
        tpr, fpr = _rates(self._positives), _rates(self._negatives)
        area = float(np.trapezoid(tpr, fpr))
        thresholds = np.concatenate([[1.0], THRESHOLDS[::-1]])
        # Evenly spaced along the curve, so that its steep part has enough points.
        length = tpr + fpr
        shown = np.unique(np.searchsorted(length, np.linspace(0, length[-1], POINTS)))
        return RocCurve(tuple(fpr[shown].tolist()), tuple(tpr[shown].tolist()), tuple(thresholds[shown].tolist()), area)


def _histogram(scores: np.ndarray) -> np.ndarray:
    """Return the number of scores in each interval: below the first threshold, ..., at the last or above."""
    return np.bincount(np.searchsorted(THRESHOLDS, scores, side="right"), minlength=len(THRESHOLDS) + 1)


def _rates(counts: np.ndarray) -> np.ndarray:
    """Return the fraction at or above each threshold, highest threshold first, after an initial 0."""
    return np.asarray(np.concatenate([[0], np.cumsum(counts[:0:-1])]) / counts.sum())
