"""A batch of images with the model's predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kfp_azureml.imagesets.image_set import Batch


@dataclass(frozen=True)
class ScoredBatch:
    """A batch of images with the model's predictions.

    Attributes:
        start: Index of the batch's first image in the set.
        batch: Images and true labels.
        probabilities: (n, classes), float32.
        predicted: (n,), uint8 or uint16 as the labels, the most probable class.
    """

    start: int
    batch: Batch
    probabilities: NDArray[np.float32]
    predicted: NDArray[np.uint8] | NDArray[np.uint16]

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(n,), float32, the probability of the predicted class."""
        highest: NDArray[np.float32] = self.probabilities.max(axis=1)
        return highest


def cross_entropy(probabilities: NDArray[np.float32], labels: NDArray[np.integer]) -> float:
    """Return the sum of the cross-entropies in nats.

    Args:
        probabilities: (n, classes); clipped to [1e-7, 1 - 1e-7] as in Keras.
        labels: (n,), true classes.
    """
    import numpy as np

    of_label = probabilities[np.arange(len(labels)), labels]
    return -float(np.log(np.clip(of_label, 1e-7, 1 - 1e-7), dtype=np.float64).sum())
