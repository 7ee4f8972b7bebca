"""The metrics of a scored image set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kfp_azureml.steps.score.roc import RocCurve


@dataclass(frozen=True)
class ScoreResult:
    """How well a model did.

    Attributes:
        images: How many images were scored.
        accuracy: The share of them that was classified rightly, 0 to 1.
        loss: Mean cross-entropy in nats, of probabilities clipped to [1e-7, 1 - 1e-7] as Keras does.
        classes: The class names.
        confusion: How many images of class i (the row) were taken for class j (the column).
        roc: The ROC curve; None where the set has images of one class only, so that there is none.
    """

    images: int
    accuracy: float
    loss: float
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    roc: RocCurve | None = None
