"""Top-k accuracy of a stream of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOP = 5


def in_top(probabilities: NDArray[np.float32], labels: NDArray[np.integer]) -> int:
    """Return how many labels are among the `TOP` most probable classes.

    Args:
        probabilities: (n, classes); of equal ones the first come first, as in argmax.
        labels: (n,), true classes.
    """
    of_label = probabilities[np.arange(len(labels)), labels][:, None]
    before = np.arange(probabilities.shape[1]) < labels[:, None]
    ahead = (probabilities > of_label).sum(axis=1) + ((probabilities == of_label) & before).sum(axis=1)
    return int((ahead < TOP).sum())
