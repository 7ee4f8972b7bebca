"""Decode an encoded image and bring it to the size and channels of a set.

Pixels depend on the bytes of the image and on `Preprocessing` only. A copy of this file is part of the code of each
deployment, so it needs Pillow and NumPy, and nothing else of the suite.

- The first frame of animated images and the first page of TIFF files.
- EXIF orientation is applied; colour profiles are ignored.
- Transparent pixels are shown on white.
- 16-bit values become 8-bit by their high byte. Floating-point pixels are refused, since their range is not known.
- Grey is ITU-R 601 luma.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image, ImageFile

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
"""Pillow's names."""

MAX_PIXELS = 89_478_485
"""Maximum of width * height, Pillow's limit for decompression bombs: 256 MB of RGB."""

MAX_SCANS = 100
"""Maximum number of scans of a progressive JPEG, as in libtiff; a few bytes of scan can take as long as an image."""

MAX_RLE_PIXELS = 1 << 22
"""Maximum of width * height of a run-length encoded BMP: Pillow's decoder of these is in Python."""

STRIP_PIXELS = 1 << 20

RESIZE_MODES = ("pad", "crop", "stretch")

_FIXED = {"filter": "bilinear", "transparency": "white", "padding": "black"}
_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
_ORIENTATION = 0x0112


class BadImageError(ValueError):
    """An image that cannot be used; the message is the reason, without the file's name."""


@dataclass(frozen=True)
class Preprocessing:
    """What is done with each image after decoding.

    Attributes:
        height: Height of the result in pixels.
        width: Width of the result in pixels.
        channels: 1 for grey, 3 for RGB.
        resize: `pad` with black and `crop` at the centre keep the aspect ratio, `stretch` does not.
    """

    height: int
    width: int
    channels: int
    resize: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    def as_json(self) -> dict[str, Any]:
        """Return the settings for the metadata of a set and the manifest of a model."""
        return asdict(self) | _FIXED

    @classmethod
    def from_json(cls, settings: Any, shape: tuple[int, int, int]) -> Preprocessing:
        """Read the result of `as_json`.

        Args:
            settings: The settings.
            shape: (height, width, channels) that they must have.

        Raises:
            ValueError: If they are not settings for images of this shape, or this code does it in another way.
        """
        if not isinstance(settings, dict) or settings.get("resize") not in RESIZE_MODES:
            raise ValueError(f"preprocessing: expected an object with resize, one of {', '.join(RESIZE_MODES)}")
        wanted = cls(*shape, settings["resize"])
        for name, value in wanted.as_json().items():
            if settings.get(name) != value:
                raise ValueError(f"preprocessing: {name} is {settings.get(name)!r}; expected {value!r}")
        return wanted

    @classmethod
    def default(cls, shape: tuple[int, int, int]) -> Preprocessing | None:
        """Return the preprocessing for models of raw pixels; None if these are neither grey nor RGB."""
        return cls(*shape, "pad") if shape[2] in (1, 3) else None


def read_header(data: bytes) -> tuple[int, int, int]:
    """Return (height, width, channels) without decoding the pixels; orientation is applied.

    Raises:
        BadImageError: If it is not an image of a known format, or too large.
    """
    with _open(data) as image:
        width, height = _turned(_orientation(image), image.size)
        return height, width, 1 if image.mode in _GREY_MODES else 3


def decode(data: bytes, wanted: Preprocessing) -> bytes:
    """Return the pixels of an encoded image, height * width * channels bytes, row-major.

    JPEG files are decoded at a fraction of their size (DCT scaling) where that is at least the wanted size.

    Raises:
        BadImageError: If it is not an image of a known format, too large, truncated or damaged.
    """
    with _open(data) as image:
        try:
            _check_cost(image, data)
            _draft(image, wanted)
            pixels = _eight_bit(image)
            return _finish(pixels, _orientation(image), wanted).tobytes()
        except BadImageError:
            raise
        # Damaged files make Pillow raise nearly anything, also struct.error, IndexError and SyntaxError.
        except Exception as error:
            raise BadImageError(_reason(error)) from error


def resize_pixels(pixels: bytes, shape: tuple[int, int, int], wanted: Preprocessing) -> bytes:
    """Return the pixels of a raw image, brought to the wanted size and channels.

    Args:
        pixels: Row-major pixels of 1, 3 or 4 channels; the fourth is opacity.
        shape: (height, width, channels) of these pixels.
        wanted: The size and channels.
    """
    from PIL import Image

    height, width, channels = shape
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    image = Image.frombytes(mode, (width, height), pixels)
    return _finish(image, 1, wanted).tobytes()


def _open(data: bytes) -> ImageFile.ImageFile:
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise BadImageError("empty file")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise BadImageError("not an image, or damaged at its start") from None
    except Exception as error:
        raise BadImageError(_reason(error)) from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadImageError(f"{width}x{height} pixels are more than {MAX_PIXELS:,}")
    return image


def _reason(error: Exception) -> str:
    from PIL import Image

    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MAX_PIXELS:,} pixels"
    text = str(error).strip().splitlines()
    return f"damaged image ({text[0] if text else type(error).__name__})"


def _orientation(image: Image.Image) -> int:
    # Pillow would decode all pixels to look for it behind them; where it is there, it is known when they are decoded.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    # Damaged EXIF data does not make the pixels unusable.
    except Exception:  # noqa: BLE001
        return 1


def _turned(orientation: int, size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


def _check_cost(image: ImageFile.ImageFile, data: bytes) -> None:
    """Refuse small files that take minutes to decode."""
    # In the pixels' data, a zero follows each FF.
    if image.format in ("JPEG", "MPO") and data.count(b"\xff\xda") > MAX_SCANS:
        raise BadImageError(f"more than {MAX_SCANS} scans: save it again as a usual JPEG")
    if image.format == "BMP" and image.tile[0][0] == "bmp_rle" and image.width * image.height > MAX_RLE_PIXELS:
        raise BadImageError(
            f"run-length encoded, with more than {MAX_RLE_PIXELS:,} pixels: save it without compression"
        )


def _draft(image: Image.Image, wanted: Preprocessing) -> None:
    """Let the decoder scale a JPEG down to no less than what `_fit` takes from it."""
    if image.format not in ("JPEG", "MPO"):  # MPO is a JPEG with further images, as some cameras write it
        return
    width, height = _turned(_orientation(image), (wanted.width, wanted.height))
    if wanted.resize != "stretch":
        choose = min if wanted.resize == "pad" else max
        scale = choose(width / image.width, height / image.height)
        width, height = round(image.width * scale), round(image.height * scale)
    # Grey is the luma that a colour JPEG already has.
    image.draft("L" if wanted.channels == 1 else None, (max(1, width), max(1, height)))


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return a decoded image in mode L, LA, RGB or RGBA."""
    image.load()
    mode = image.mode
    if mode.startswith("I"):
        return _high_bytes(image)
    if mode == "F":
        raise BadImageError("floating-point pixels are not supported: convert to 8 or 16 bits")
    if mode in ("L", "LA", "RGB", "RGBA") and "transparency" not in image.info:
        return image
    if mode in ("1", "L"):
        return image.convert("RGBA" if "transparency" in image.info else "L")
    transparent = "transparency" in image.info or mode in ("LA", "RGBA", "La", "PA", "RGBa")
    if mode == "RGBa":
        return image.convert("RGBA")
    return image.convert("RGBA" if transparent else "RGB")


def _high_bytes(image: Image.Image) -> Image.Image:
    """Return 16-bit values as 8-bit; in strips, since NumPy would copy all of them several times."""
    import numpy as np
    from PIL import Image

    grey = Image.new("L", image.size)
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        values = np.asarray(image.crop((0, top, image.width, min(top + rows, image.height))))
        # PNG has at most 16 bits, of which Pillow makes either mode.
        if values.itemsize > 2:
            values = values.clip(0, 0xFFFF)
        grey.paste(Image.fromarray((values >> 8).astype(np.uint8)), (0, top))
    return grey


def _finish(pixels: Image.Image, orientation: int, wanted: Preprocessing) -> Image.Image:
    """Resize, turn, and convert to the wanted channels."""
    from PIL import Image

    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    size = _turned(orientation, (wanted.width, wanted.height))
    # Pillow weighs colours by their opacity when it resizes, so white comes after that.
    resized = _flat(_fit(pixels, size, wanted.resize), wanted.channels)
    if resized.size != size:
        canvas = Image.new(resized.mode, size)
        canvas.paste(resized, ((size[0] - resized.width) // 2, (size[1] - resized.height) // 2))
        resized = canvas
    return resized.transpose(turn) if turn is not None else resized


def _fit(image: Image.Image, size: tuple[int, int], resize: str) -> Image.Image:
    """Resize an image to a size; with `pad` only one side may reach it."""
    from PIL import Image

    bilinear = Image.Resampling.BILINEAR
    if image.size == size:
        return image
    width, height = size
    if resize == "stretch":
        return image.resize(size, bilinear)
    if resize == "pad":
        scale = min(width / image.width, height / image.height)
        inner = max(1, min(width, round(image.width * scale))), max(1, min(height, round(image.height * scale)))
        return image.resize(inner, bilinear)
    scale = max(width / image.width, height / image.height)
    across, down = width / scale, height / scale
    left, top = (image.width - across) / 2, (image.height - down) / 2
    box = max(0.0, left), max(0.0, top), min(image.width, left + across), min(image.height, top + down)
    return image.resize(size, bilinear, box=box)


def _flat(image: Image.Image, channels: int) -> Image.Image:
    """Show transparent pixels on white, and convert to grey or RGB."""
    from PIL import Image

    if image.mode in ("LA", "RGBA"):
        colours = "L" if image.mode == "LA" else "RGB"
        white = Image.new(colours, image.size, "white")
        white.paste(image.convert(colours), mask=image.getchannel("A"))
        image = white
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)
