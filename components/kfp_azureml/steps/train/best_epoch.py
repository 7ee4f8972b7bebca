"""Early stopping that keeps the best epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from kfp_azureml.steps.train.history import Epoch

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray


@dataclass
class BestEpoch:
    """The epoch with the lowest validation loss so far, and its weights.

    Attributes:
        patience: Number of epochs without a better one after which training ends.
        epoch: The best epoch; None before the first.
        weights: Its weights.
    """

    patience: int
    epoch: Epoch | None = None
    weights: list[NDArray[np.float32]] = field(default_factory=list)

    def ends_with(self, epoch: Epoch, model: keras.Model) -> bool:
        """Keep an epoch if it is the best, and return whether to end training after it."""
        if epoch.validation_loss is None:
            raise ValueError("there are no validation images")
        if self.epoch is None or epoch.validation_loss < (self.epoch.validation_loss or 0):
            self.epoch, self.weights = epoch, model.get_weights()
        return epoch.number - self.epoch.number >= self.patience

    def restore(self, model: keras.Model) -> Epoch:
        """Give the network the weights of the best epoch, and return that epoch."""
        if self.epoch is None:
            raise ValueError("no epoch has ended")
        model.set_weights(self.weights)
        return self.epoch

    def state(self) -> tuple[dict[str, object] | None, dict[str, NDArray[np.float32]]]:
        """Return its metrics, and its weights by their number, for a checkpoint."""
        metrics = None if self.epoch is None else asdict(self.epoch)
        return metrics, {str(number): each for number, each in enumerate(self.weights)}

    def set_state(self, metrics: Mapping[str, Any] | None, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """Set what `state` returned."""
        self.epoch = None if metrics is None else Epoch(**metrics)
        self.weights = [weights[str(number)] for number in range(len(weights))]
