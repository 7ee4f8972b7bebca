"""Turn the images of a request into the pixels that the model takes."""

import base64
import re
from collections.abc import Iterator
from math import prod

import numpy as np
from preprocessing import BadImageError, Preprocessing, decode, read_header

MAX_IMAGES = 1000  # in one request
MAX_REQUEST_PIXELS = 400_000_000
"""Maximum pixels of all files of a request, some seconds of decoding; the limit of one file is that of prep."""

SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")
DATA_URL = re.compile(r"data:[^,]*?(;base64)?,", re.IGNORECASE)


class BadRequestError(ValueError):
    """An invalid request; the message is returned to the client."""


def read_images(
    images: list[object], shape: tuple[int, int, int], encoded_images: Preprocessing | None
) -> Iterator[np.ndarray]:
    """Yield the images of a request, each (height, width, channels), uint8.

    Args:
        images: Bytes of files, base64 texts of files or pixels, or nested lists of pixels.
        shape: One image of the model: height, width, channels.
        encoded_images: How files become such images; None if they cannot.

    Raises:
        BadRequestError: If there are too many, or one is not such an image.
    """
    if len(images) > MAX_IMAGES:
        raise BadRequestError(f"{len(images)} images in one request; the limit is {MAX_IMAGES}: send several requests")
    contents = [_content(image, number) for number, image in enumerate(images)]
    if len(images) > 1:
        _check_pixels(contents, shape)
    for number, (image, content) in enumerate(zip(images, contents, strict=True)):
        if isinstance(content, list):
            yield _from_lists(content, shape, number)
        elif isinstance(image, str) and _is_raw(content, shape, encoded_images):
            yield np.frombuffer(content, np.uint8).reshape(shape)
        else:
            try:
                yield _from_file(content, shape, encoded_images)
            except BadImageError as error:
                reason = _neither(content, shape) if isinstance(image, str) else ""
                raise BadRequestError(f"image {number}: {reason or error}") from error


def _content(image: object, number: int) -> bytes | list[object]:
    """Return the bytes of a file or of pixels, or nested lists."""
    if isinstance(image, (bytes, list)):
        return image
    if not isinstance(image, str):
        raise BadRequestError(f"image {number}: expected base64 text or nested lists of pixel values")
    return _decode_base64(image, number)


def _check_pixels(contents: list[bytes | list[object]], shape: tuple[int, int, int]) -> None:
    """Limit the pixels of all files together, before the first is decoded."""
    left = MAX_REQUEST_PIXELS
    for content in contents:
        if isinstance(content, list) or (len(content) == prod(shape) and not content.startswith(SIGNATURES)):
            continue
        try:
            height, width, _ = read_header(content)
        except BadImageError:
            continue  # it is said when it is decoded
        left -= height * width
        if left < 0:
            raise BadRequestError(f"more than {MAX_REQUEST_PIXELS:,} pixels in one request: send several requests")


def _is_raw(content: bytes, shape: tuple[int, int, int], encoded_images: Preprocessing | None) -> bool:
    """Return whether decoded base64 is pixels; a file may happen to have as many bytes."""
    if len(content) != prod(shape):
        return False
    if not content.startswith(SIGNATURES) or encoded_images is None:
        return True
    try:
        decode(content, encoded_images)
    except BadImageError:
        return True
    return False


def _from_file(content: bytes, shape: tuple[int, int, int], encoded_images: Preprocessing | None) -> np.ndarray:
    if encoded_images is None:
        raise BadImageError(f"the model takes images of {shape[2]} channels: send their pixels")
    return np.frombuffer(decode(content, encoded_images), np.uint8).reshape(shape)


def _neither(content: bytes, shape: tuple[int, int, int]) -> str:
    """Return why base64 is neither a file nor pixels; empty if it looks like a file."""
    if content.startswith(SIGNATURES):
        return ""
    height, width, channels = shape
    size = f"height {height} x width {width} x channels {channels}"
    return f"not an image file, and not its pixels: {len(content)} bytes, expected {prod(shape)} ({size})"


def _from_lists(image: list[object], shape: tuple[int, int, int], number: int) -> np.ndarray:
    height, width, channels = shape
    if len(image) != height:
        raise BadRequestError(f"image {number}: it has {len(image)} rows, expected {height}")
    for index, row in enumerate(image):
        if not isinstance(row, list) or len(row) != width:
            raise BadRequestError(f"image {number}: row {index} is not a list of {width} pixels")
    try:
        pixels = np.asarray(image)
    except ValueError as error:
        raise BadRequestError(f"image {number}: its pixels differ in length") from error
    if pixels.shape != shape and not (channels == 1 and pixels.shape == (height, width)):
        raise BadRequestError(f"image {number}: its shape is {list(pixels.shape)}, expected {list(shape)}")
    if pixels.dtype.kind not in "iu" or pixels.min() < 0 or pixels.max() > 255:
        raise BadRequestError(f"image {number}: pixel values must be whole numbers from 0 to 255")
    return pixels.astype(np.uint8).reshape(shape)


def _decode_base64(text: str, number: int) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        pass  # other common base64 variants are handled below
    if url := DATA_URL.match(text):
        if not url[1]:
            raise BadRequestError(f"image {number}: a data: URL without ;base64")
        text = text[url.end() :]
    plain = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    wrong = re.search("[^A-Za-z0-9+/]", plain)
    if wrong:
        raise BadRequestError(f"image {number}: not base64: {wrong[0]!a} at position {wrong.start()}")
    if len(plain) % 4 == 1:
        raise BadRequestError(f"image {number}: not base64: invalid length ({len(plain)} characters)")
    return base64.b64decode(plain + "=" * (-len(plain) % 4))
