"""Encoded images for tests: small pictures of any mode and format."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def encoded(image: Image.Image, kind: str = "PNG", **settings: Any) -> bytes:
    """Return an image in a file format."""
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def noise(number: int, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Image.Image:
    """Return a picture of its own for each number, (width, height)."""
    random = np.random.default_rng(number)
    return Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode)


def write_picture(path: Path, number: int, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Path:
    """Write a PNG, and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(noise(number, size, mode)))
    return path


def write_class_folders(folder: Path, per_class: int = 30, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    """Write class folders of 8x8 pictures."""
    for number, name in enumerate(classes):
        for index in range(per_class):
            write_picture(folder / name / f"{index}.png", 1000 * number + index)
    return folder
