"""Data augmentation: random horizontal flips and random shifts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def flip_half(images: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Flip a random half of the images horizontally, in place."""
    chosen = rng.random(len(images)) < 0.5
    images[chosen] = images[chosen, :, ::-1]


def shift(images: NDArray[np.uint8], pixels: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shift each image by a random offset in both directions, padding with 0.

    Args:
        images: (n, height, width, channels).
        pixels: Maximum offset.
        rng: Draws the offsets.
    """
    count, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)))
    down, right = rng.integers(0, 2 * pixels + 1, (2, count, 1))
    rows, columns = down + np.arange(height), right + np.arange(width)
    moved: NDArray[np.uint8] = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved
