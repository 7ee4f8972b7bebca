"""Photographs through prep's decoding: each format and mode of one picture, and damaged files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from kfp_azureml.imagesets.preprocessing import BadImageError, Preprocessing, decode, read_header
from kfp_azureml.imagesets.reader import open_image_set
from pictures import encoded
from step_calls import prep_data

GREY = ("camera.png", "coins.png", "brick.png", "grass.png", "moon.png", "page.png")
COLOUR = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "retina.jpg", "china.jpg", "flower.jpg")
EXIF_ORIENTATION = 0x0112
CLOSE = 8
"""Mean difference of two ways to shrink one photograph, of 256 levels; a JPEG that is decoded small is sharper."""
# The transposition that a viewer undoes for an orientation.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def difference(pixels: bytes, expected: Image.Image) -> float:
    """Return the mean absolute difference of two images, of 256 levels."""
    values = np.asarray(expected, dtype=float)
    return float(np.abs(np.frombuffer(pixels, np.uint8).reshape(values.shape) - values).mean())


def averaged(photo: Image.Image, wanted: Preprocessing) -> Image.Image:
    """Shrink a photograph by averaging areas of its pixels, without anything of the suite's."""
    photo = ImageOps.exif_transpose(photo).convert("L" if wanted.channels == 1 else "RGB")
    size, box = (wanted.width, wanted.height), Image.Resampling.BOX
    if wanted.resize == "stretch":
        return photo.resize(size, box)
    if wanted.resize == "crop":
        return ImageOps.fit(photo, size, box)
    inner = ImageOps.contain(photo, size, box)
    canvas = Image.new(photo.mode, size)
    canvas.paste(inner, ((size[0] - inner.width) // 2, (size[1] - inner.height) // 2))
    return canvas


@pytest.mark.parametrize("resize", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_photograph_is_shrunk_as_by_averaging_its_pixels(photos: dict[str, Path], resize: str, channels: int) -> None:
    wanted = Preprocessing(50, 64, channels, resize)
    for name in (*GREY, *COLOUR):
        with Image.open(photos[name]) as photo:
            assert difference(decode(photos[name].read_bytes(), wanted), averaged(photo, wanted)) < CLOSE, name


def test_grey_and_colour_are_told_apart(photos: dict[str, Path]) -> None:
    assert {read_header(photos[name].read_bytes())[2] for name in GREY} == {1}
    assert {read_header(photos[name].read_bytes())[2] for name in COLOUR} == {3}


@pytest.mark.parametrize(
    ("kind", "mode", "settings"),
    [
        ("JPEG", "RGB", {"quality": 95}),
        ("JPEG", "RGB", {"quality": 90, "progressive": True, "subsampling": 0}),
        ("JPEG", "CMYK", {"quality": 95}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("WEBP", "RGB", {"quality": 95}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("BMP", "RGB", {}),
        ("GIF", "P", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "CMYK", {"compression": "tiff_deflate"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_photograph_in_each_format_is_one_picture(
    photos: dict[str, Path], kind: str, mode: str, settings: dict[str, object]
) -> None:
    for name in ("chelsea.png", "rocket.jpg", "flower.jpg"):
        with Image.open(photos[name]) as photo:
            photo = photo.convert("RGB")
        wanted = Preprocessing(96, 128, 3, "pad")
        expected = Image.frombytes("RGB", (128, 96), decode(encoded(photo), wanted))
        assert difference(decode(encoded(photo.convert(mode), kind, **settings), wanted), expected) < CLOSE, name


@pytest.mark.parametrize("orientation", STORED)
def test_a_rotated_photograph_is_upright(photos: dict[str, Path], orientation: int) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    for name in ("rocket.jpg", "chelsea.png"):
        with Image.open(photos[name]) as photo:
            stored = encoded(photo.transpose(STORED[orientation]), "JPEG", quality=95, exif=exif)
            assert read_header(stored) == (photo.height, photo.width, 3)
            wanted = Preprocessing(60, 90, 3, "crop")
            assert difference(decode(stored, wanted), averaged(photo, wanted)) < CLOSE


def test_16_bits_are_their_high_byte(photos: dict[str, Path]) -> None:
    for name in GREY[:3]:
        with Image.open(photos[name]) as photo:
            values = np.asarray(photo.convert("L"))
        for kind in ("PNG", "TIFF"):
            deep = encoded(Image.fromarray(values.astype(np.uint16) * 256 + 99), kind)
            assert decode(deep, Preprocessing(*values.shape, 1, "pad")) == values.tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_damaged_photograph_gives_pixels_or_a_reason(photos: dict[str, Path], kind: str) -> None:
    wanted = Preprocessing(32, 32, 3, "pad")
    random = np.random.default_rng(17)
    reasons = []
    with Image.open(photos["flower.jpg"]) as photo:
        whole = encoded(photo.resize((160, 107)), kind)
    for number in range(200):
        data = bytearray(whole)
        if number % 2:
            for position in random.integers(0, len(data), 3):
                data[position] ^= 1 << random.integers(8)
        else:
            del data[random.integers(1, len(data)) :]
        try:
            assert len(decode(bytes(data), wanted)) == 32 * 32 * 3
        except BadImageError as error:
            reasons.append(str(error))
    assert len(reasons) >= 90
    assert not [reason for reason in reasons if "\n" in reason]


def test_a_set_of_photographs_with_damage_among_them(
    photos: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "photos"
    for label, names in (("grey", GREY), ("colour", COLOUR)):
        for name in names:
            # The ending is of another format than the content.
            for copy, ending in ((0, "JPEG"), (1, "png"), (2, "TIF")):
                path = folder / label / f"{Path(name).stem} {copy}.{ending}"
                path.parent.mkdir(parents=True, exist_ok=True)
                with Image.open(photos[name]) as photo:
                    photo.crop((copy, copy, photo.width, photo.height)).save(path, "WEBP")
    rocket = photos["rocket.jpg"].read_bytes()
    bad = {
        "half.jpg": (rocket[: len(rocket) // 2], "damaged image"),
        "header.png": (photos["chelsea.png"].read_bytes()[:40], "damaged image"),
        "array.npy": (b"\x93NUMPY", "not an image"),
        "empty.webp": (b"", "empty file"),
    }
    for name, (data, _) in bad.items():
        (folder / "colour" / name).write_bytes(data)
    sets, report = (tmp_path / "training", tmp_path / "test"), tmp_path / "report.html"
    result = prep_data(
        str(folder), *sets, image_size="64", on_bad_image="skip", max_bad_fraction=0.2, output_report=report
    )
    assert (result.skipped_images, result.image_shape) == (len(bad), (64, 64, 3))
    assert result.training_images + result.test_images == 3 * len(GREY + COLOUR)
    assert sum(open_image_set(each).info.count for each in sets) == 3 * len(GREY + COLOUR)
    page = report.read_text()
    for name, (_, reason) in bad.items():
        assert f"colour/{name}" in page
        assert reason in page
