"""The metrics of a scored image set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kfp_azureml.steps.score.roc import RocCurve


@dataclass(frozen=True)
class ScoreResult:
    """Metrics of a model on an image set.

    Attributes:
        images: Number of scored images.
        accuracy: 0 to 1.
        loss: Mean cross-entropy in nats, with probabilities clipped to [1e-7, 1 - 1e-7] as in Keras.
        classes: Class names.
        confusion: Number of images of class i (row) predicted as class j (column).
        roc: ROC curve; None if the set has images of one class only.
    """

    images: int
    accuracy: float
    loss: float
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    roc: RocCurve | None = None
