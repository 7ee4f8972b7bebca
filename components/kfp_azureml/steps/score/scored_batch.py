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
