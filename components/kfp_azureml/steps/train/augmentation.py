"""Data augmentation: random changes of training images that keep their class."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FLIPS, SHIFTS, CROPS, COLOUR = "flips", "shifts", "crops", "colour"
KINDS = (FLIPS, SHIFTS, CROPS, COLOUR)

_SHIFT = 28
"""Images are shifted by up to 1 pixel in 28, as measured on Fashion-MNIST."""
_CROP_AREA = (0.5, 1.0)
_CROP_STRETCH = math.log(4 / 3)
"""Logarithm of the largest change of the aspect ratio."""
_COLOUR = 0.2
"""Brightness, contrast and saturation change by up to 20 %."""
_GREY = np.array((0.299, 0.587, 0.114), np.float32)
"""Luma of red, green and blue, as in JPEG."""


def augment(images: NDArray[np.uint8], kinds: Sequence[str], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return images with each kind of change, of `KINDS`; may change its argument.

    Args:
        images: (n, height, width, channels).
        kinds: What to apply.
        rng: Draws the changes.
    """
    if FLIPS in kinds:
        flip_half(images, rng)
    if SHIFTS in kinds:
        images = shift(images, max(1, min(images.shape[1:3]) // _SHIFT), rng)
    if CROPS in kinds:
        images = crop(images, rng)
    if COLOUR in kinds:
        images = change_colour(images, rng)
    return images


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


def crop(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cut a random part of half or more out of each image, and resize it to the image's size.

    As the random resized crops of torchvision, which by default cut out smaller parts.
    """
    count, height, width, channels = images.shape
    area = rng.uniform(*_CROP_AREA, count)
    stretch = np.sqrt(np.exp(rng.uniform(-_CROP_STRETCH, _CROP_STRETCH, count)))
    heights = np.minimum(1, np.sqrt(area) / stretch) * height
    widths = np.minimum(1, np.sqrt(area) * stretch) * width
    tops, lefts = rng.random((2, count)) * (height - heights, width - widths)
    cut = np.empty_like(images)
    for index, image in enumerate(images):
        box = (lefts[index], tops[index], lefts[index] + widths[index], tops[index] + heights[index])
        picture = Image.fromarray(image[..., 0] if channels == 1 else image)
        resized = picture.resize((width, height), Image.Resampling.BILINEAR, box)
        cut[index] = np.asarray(resized).reshape(height, width, channels)
    return cut


def change_colour(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change the brightness and contrast of each image, and of RGB images the saturation."""
    brightness, contrast, saturation = rng.uniform(1 - _COLOUR, 1 + _COLOUR, (3, len(images), 1, 1, 1)).astype(
        "float32"
    )
    values = images * brightness
    mean = values.mean(axis=(1, 2, 3), keepdims=True)
    values = mean + (values - mean) * contrast
    if images.shape[-1] == 3:
        grey = (values @ _GREY)[..., None]
        values = grey + (values - grey) * saturation
    changed: NDArray[np.uint8] = np.rint(values).clip(0, 255).astype(np.uint8)
    return changed
