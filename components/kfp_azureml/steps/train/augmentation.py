"""Images as they could have been taken too: mirrored, and moved a little."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def flip_half(images: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Mirror about half of some images left to right, in place."""
    chosen = rng.random(len(images)) < 0.5
    images[chosen] = images[chosen, :, ::-1]


def shift(images: NDArray[np.uint8], pixels: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return images, each moved by up to some pixels in both directions; what comes in from outside is 0.

    Args:
        images: (n, height, width, channels).
        pixels: How far, at most.
        rng: Draws how far.
    """
    count, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)))
    down, right = rng.integers(0, 2 * pixels + 1, (2, count, 1))
    rows, columns = down + np.arange(height), right + np.arange(width)
    moved: NDArray[np.uint8] = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved
