"""Calibration: whether 90 % of the answers with 90 % confidence are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 15
"""Bins of equal width, closed above: the number in Guo et al., "On Calibration of Modern Neural Networks" (2017)."""


@dataclass(frozen=True)
class Bin:
    """The images whose confidence is in an interval.

    Attributes:
        lower: Lower end of the interval, exclusive.
        upper: Upper end, inclusive.
        images: Number of images, at least 1.
        confidence: Their mean confidence, the probability of the predicted class, 0 to 1.
        accuracy: Their accuracy, 0 to 1.
    """

    lower: float
    upper: float
    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """The reliability curve and its distance from the diagonal.

    Attributes:
        bins: The bins that have images, by confidence.
    """

    bins: tuple[Bin, ...]

    @property
    def error(self) -> float:
        """The expected calibration error (ECE), 0 to 1.

        The mean distance of confidence and accuracy of the bins, weighted by their images: Naeini, Cooper and
        Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (2015).
        """
        images = sum(one.images for one in self.bins)
        return sum(one.images * abs(one.accuracy - one.confidence) for one in self.bins) / images


class CalibrationCounts:
    """Counts by interval of confidence."""

    def __init__(self) -> None:
        self._images, self._right, self._confidence = (np.zeros(BINS) for _ in range(3))

    def add(self, confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> None:
        """Count a batch.

        Args:
            confidence: (n,), probability of the predicted class.
            right: (n,), whether that is the true class.
        """
        # Rounding may give slightly more than 1.
        places = np.clip(np.ceil(confidence.astype(np.float64) * BINS).astype(np.int64) - 1, 0, BINS - 1)
        self._images += np.bincount(places, minlength=BINS)
        self._right += np.bincount(places, weights=right, minlength=BINS)
        self._confidence += np.bincount(places, weights=confidence, minlength=BINS)

    def calibration(self) -> Calibration:
        """Return the curve."""
        return Calibration(
            tuple(
                Bin(
                    place / BINS,
                    (place + 1) / BINS,
                    int(self._images[place]),
                    float(self._confidence[place] / self._images[place]),
                    float(self._right[place] / self._images[place]),
                )
                for place in range(BINS)
                if self._images[place]
            )
        )
