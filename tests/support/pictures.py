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


def every_kind(size: tuple[int, int] = (14, 10)) -> dict[str, bytes]:
    """Return one file of every format, mode and orientation, by its name."""
    files = {kind: encoded(noise(1, size), kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")}
    for mode in ("1", "L", "LA", "P", "RGBA"):
        files[f"PNG {mode}"] = encoded(noise(2, size, mode))
    files["PNG with 16 bits"] = encoded(Image.fromarray(np.asarray(noise(3, size, "L")).astype(np.uint16) * 257))
    files["PNG with a transparent colour"] = encoded(noise(4, size), transparency=(255, 255, 255))
    files["JPEG CMYK"] = encoded(noise(5, size, "CMYK"), "JPEG")
    files["JPEG L"] = encoded(noise(6, size, "L"), "JPEG")
    files["large JPEG"] = encoded(noise(7, size).resize((size[0] * 30, size[1] * 30)), "JPEG")
    files["two frames"] = encoded(noise(8, size), "GIF", save_all=True, append_images=[noise(9, size)])
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
            files[f"{kind} turned {orientation}"] = encoded(noise(10 + orientation, size), kind, exif=exif)
    return files


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
