"""Counts by class of a stream of predictions, in constant memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kfp_azureml.steps.score.results import ClassMetrics, Confusion

if TYPE_CHECKING:
    from numpy.typing import NDArray

MATRIX_CLASSES = 50
"""Maximum number of classes of a confusion matrix that is shown: 2,500 cells. More are neither readable nor drawn in
time, and Kubeflow keeps the whole matrix in its metadata store."""

PAIR_CLASSES = 1024
"""Maximum number of classes whose pairs are counted; the counts take 8 MiB."""

CONFUSIONS = 50
"""Maximum number of pairs that are shown."""


class ClassCounts:
    """Counts of true, predicted and correctly predicted images by class, and of each pair of classes.

    Args:
        classes: Class names.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        size = len(classes)
        self._images, self._predicted, self._right = (np.zeros(size, np.int64) for _ in range(3))
        self._pairs = np.zeros((size, size), np.int64) if size <= PAIR_CLASSES else None

    def add(self, labels: NDArray[np.integer], predicted: NDArray[np.integer]) -> None:
        """Count a batch.

        Args:
            labels: (n,), true classes.
            predicted: (n,), predicted classes.
        """
        size = len(self._classes)
        self._images += np.bincount(labels, minlength=size)
        self._predicted += np.bincount(predicted, minlength=size)
        self._right += np.bincount(labels[labels == predicted], minlength=size)
        if self._pairs is not None:
            np.add.at(self._pairs, (labels, predicted), 1)

    def class_metrics(self) -> list[ClassMetrics]:
        """Return the metrics of each class."""
        counts = (column.tolist() for column in (self._images, self._predicted, self._right))
        return [ClassMetrics(*row) for row in zip(self._classes, *counts, strict=True)]

    def matrix(self) -> tuple[tuple[int, ...], ...]:
        """Return the confusion matrix; empty with more than `MATRIX_CLASSES` classes."""
        if self._pairs is None or len(self._classes) > MATRIX_CLASSES:
            return ()
        return tuple(map(tuple, self._pairs.tolist()))

    def confusions(self) -> tuple[Confusion, ...]:
        """Return the most frequent kinds of mistakes; none with more than `PAIR_CLASSES` classes."""
        if self._pairs is None:
            return ()
        counts = self._pairs.copy()
        np.fill_diagonal(counts, 0)
        found = np.argsort(-counts, axis=None, kind="stable")[:CONFUSIONS]
        pairs = ((divmod(int(place), len(self._classes)), int(counts.flat[place])) for place in found)
        return tuple(Confusion(*pair, count) for pair, count in pairs if count)
