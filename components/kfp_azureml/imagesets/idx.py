"""Read idx files, the format of MNIST: big-endian dimensions, then one unsigned byte per value.

An image file has the dimensions (count, height, width) or (count, height, width, channels), a label file (count,).
Files may be gzipped, whatever their name, and are streamed.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import Literal

from kfp_azureml.runtime.errors import DataError
from kfp_azureml.runtime.file_kinds import HEAD_BYTES, looks_like

GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08
TYPES = {
    UNSIGNED_BYTE: "unsigned bytes",
    0x09: "signed bytes",
    0x0B: "16-bit integers",
    0x0C: "32-bit integers",
    0x0D: "32-bit floats",
    0x0E: "64-bit floats",
}
MAX_CHANNELS = 4
# Maximum size of a fixed-size binary value in Arrow.
MAX_IMAGE_BYTES = 2**31 - 1


@dataclass(frozen=True)
class IdxFile:
    """An idx file after its header has been read and validated.

    Attributes:
        name: Name of the file in messages.
        count: Number of images or labels according to the header.
    """

    name: str
    count: int
    _item_bytes: int
    _data: BufferedReader | gzip.GzipFile

    def chunks(self, items: int) -> Iterator[bytes]:
        """Yield the values of `items` images or labels at a time; can be called once.

        Raises:
            DataError: If the file is truncated, has trailing bytes, or its gzip data is corrupt.
        """
        for start in range(0, self.count, items):
            expected = min(items, self.count - start) * self._item_bytes
            values = _read(self._data, expected, self.name)
            if len(values) < expected:
                found = start + len(values) // self._item_bytes
                raise DataError(f"{self.name}: truncated: {found} items, but {self.count} in the header")
            yield values
        if _read(self._data, 1, self.name):
            raise DataError(f"{self.name}: trailing bytes after the {self.count} items of the header")


@dataclass(frozen=True)
class IdxImages(IdxFile):
    """An idx file of images.

    Attributes:
        shape: (height, width, channels) of every image.
    """

    shape: tuple[int, int, int]


def file_names(subset: Literal["train", "t10k"], kind: Literal["images", "labels"]) -> tuple[str, ...]:
    """Return the known names of a file, the most common first."""
    ranks = (3, 4) if kind == "images" else (1,)
    return tuple(
        f"{subset}-{kind}{separator}idx{rank}-ubyte{suffix}"
        for rank in ranks
        for separator in ("-", ".")
        for suffix in ("", ".gz")
    )


def open_images(stream: BufferedReader, name: str) -> IdxImages:
    """Read the header of an image file.

    Args:
        stream: The file, raw or gzipped.
        name: Name of the file in messages.

    Raises:
        DataError: If it is not a valid idx image file.
    """
    data, dimensions = _read_header(stream, name)
    if len(dimensions) == 1:
        raise DataError(f"{name}: contains labels, not images; are the image and label files swapped?")
    if len(dimensions) not in (3, 4):
        raise DataError(f"{name}: has {len(dimensions)} dimensions; an image file has 3, or 4 with channels")
    count, *shape = dimensions
    height, width, channels = (*shape, 1) if len(shape) == 2 else shape
    if channels > MAX_CHANNELS:
        raise DataError(f"{name}: {channels} channels; the last of 4 dimensions must be 1 to {MAX_CHANNELS} channels")
    item_bytes = height * width * channels
    if item_bytes > MAX_IMAGE_BYTES:
        raise DataError(f"{name}: images of {height}x{width} are too large; is the header damaged?")
    return IdxImages(name, count, item_bytes, data, (height, width, channels))


def open_labels(stream: BufferedReader, name: str) -> IdxFile:
    """Read the header of a label file.

    Args:
        stream: The file, raw or gzipped.
        name: Name of the file in messages.

    Raises:
        DataError: If it is not a valid idx label file.
    """
    data, dimensions = _read_header(stream, name)
    if len(dimensions) in (3, 4):
        raise DataError(f"{name}: contains images, not labels; are the image and label files swapped?")
    if len(dimensions) != 1:
        raise DataError(f"{name}: has {len(dimensions)} dimensions; a label file has 1")
    return IdxFile(name, dimensions[0], 1, data)


def _read_header(stream: BufferedReader, name: str) -> tuple[BufferedReader | gzip.GzipFile, tuple[int, ...]]:
    data = gzip.GzipFile(fileobj=stream) if stream.peek(2)[:2] == GZIP_MAGIC else stream
    magic = _read(data, 4, name)
    if not magic:
        raise DataError(f"{name}: the file is empty")
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
        kind = looks_like(_rest_of_head(data, magic))
        raise DataError(
            f"{name}: not an idx file: it looks like {kind}"
            if kind
            else f"{name}: not an idx file (it starts with the bytes {magic.hex(' ')})"
        )
    if magic[2] != UNSIGNED_BYTE:
        raise DataError(f"{name}: contains {TYPES[magic[2]]}; only {TYPES[UNSIGNED_BYTE]} are supported")
    rank = magic[3]
    sizes = _read(data, 4 * rank, name)
    if len(sizes) < 4 * rank:
        raise DataError(f"{name}: truncated in its header")
    dimensions = struct.unpack(f">{rank}I", sizes)
    if 0 in dimensions:
        raise DataError(f"{name}: a dimension is zero ({' x '.join(map(str, dimensions))}); expected at least 1")
    return data, dimensions


def _rest_of_head(data: BufferedReader | gzip.GzipFile, start: bytes) -> bytes:
    try:
        return start + data.read(HEAD_BYTES - len(start))
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return start


def _read(data: BufferedReader | gzip.GzipFile, size: int, name: str) -> bytes:
    try:
        return data.read(size)
    except EOFError:
        raise DataError(f"{name}: truncated: the gzip data ends too early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{name}: corrupt gzip data ({error})") from error
