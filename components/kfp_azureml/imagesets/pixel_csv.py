"""Read and write image sets as CSV, the baseline's format.

Each line is the label and the pixels, without a header. Shape and class names are not stored: images are square and
grey, and classes are named by their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import csv

from kfp_azureml.imagesets.image_set import Batch, ImageSet, ImageSetInfo
from kfp_azureml.runtime.errors import DataError, first_line
from kfp_azureml.runtime.file_kinds import HEAD_BYTES, looks_like

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_BYTES = 2 << 20


def write_csv(path: Path, shape: tuple[int, int, int], chunks: Iterable[tuple[bytes | bytearray, bytes]]) -> None:
    """Write an image set to a CSV file, byte-identical to the baseline's.

    Values are formatted by a lookup table of zero-padded four-byte strings, whose zero bytes are then removed; about
    30 times less user CPU than formatting each value.

    Args:
        path: The file to write.
        shape: Image shape, (height, width, channels).
        chunks: Pixels and labels of consecutive images, one byte per value.

    Raises:
        DataError: If the images are not square and grey.
    """
    height, width, channels = shape
    if height != width or channels != 1:
        raise DataError(f"CSV supports square grey images only, not {height}x{width}x{channels}; write Parquet")
    inner, last = _formatted_values(","), _formatted_values("\n")
    with path.open("wb") as stream:
        for images, labels in chunks:
            values = np.empty((len(labels), 1 + height * width), np.uint8)
            values[:, 0] = np.frombuffer(labels, np.uint8)
            values[:, 1:] = np.frombuffer(images, np.uint8).reshape(len(labels), -1)
            texts = inner[values]
            texts[:, -1] = last[values[:, -1]]
            stream.write(texts.tobytes().translate(None, delete=b"\0"))


def open_csv(path: Path) -> ImageSet:
    """Open a CSV file as an image set.

    The file is scanned once for labels. Groups are blocks of lines of about 2 MiB.

    Raises:
        DataError: If the file is empty, its images are not square, or a value is not a number from 0 to 255.
    """
    with path.open("rb") as stream:
        first_line = stream.readline()
    if not first_line:
        raise DataError(f"{path}: the file is empty")
    pixels = first_line.count(b",")
    side = isqrt(pixels)
    if side < 1 or side * side != pixels:
        kind = looks_like(first_line[:HEAD_BYTES])
        if not kind.startswith("text"):
            raise DataError(f"{path}: not a CSV file of pixels" + (f": it looks like {kind}" if kind else ""))
        raise DataError(f"{path}: {pixels} pixels per line are not a square image; write Parquet for other shapes")
    blocks = list(_scan(path))
    all_labels = np.frombuffer(b"".join(block.labels for block in blocks), np.uint8)

    def read_group(index: int) -> Batch:
        block = blocks[index]
        with path.open("rb") as stream:
            stream.seek(block.offset)
            values = _parse(path, stream.read(block.size), 1 + pixels)
        return Batch(values[:, 1:].reshape(-1, side, side, 1), values[:, 0])

    classes = tuple(str(label) for label in range(int(all_labels.max()) + 1))
    info = ImageSetInfo(len(all_labels), (side, side, 1), classes)
    return ImageSet(info, tuple(len(block.labels) for block in blocks), read_group, lambda: all_labels)


@dataclass(frozen=True)
class _Block:
    """A block of lines: offset and size in bytes, and their labels."""

    offset: int
    size: int
    labels: bytes


def _scan(path: Path) -> Iterator[_Block]:
    offset = lines = 0
    with path.open("rb") as stream:
        while text := stream.read(BLOCK_BYTES) + stream.readline():
            try:
                labels = bytes(int(line[: line.find(b",")]) for line in text.splitlines())
            except ValueError as error:
                reason = f"a label is not a number from 0 to 255 ({error})"
                raise DataError(f"{path}: after line {lines}: {reason}") from error
            yield _Block(offset, len(text), labels)
            offset += len(text)
            lines += len(labels)


def _parse(path: Path, text: bytes, columns: int) -> NDArray[np.uint8]:
    """Parse lines into an array, (lines, columns)."""
    types = {str(column): pa.uint8() for column in range(columns)}
    try:
        table = csv.read_csv(
            pa.BufferReader(text),
            csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=list(types)),
            convert_options=csv.ConvertOptions(column_types=types, null_values=[]),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: {first_line(error)}") from error
    values: NDArray[np.uint8] = np.stack([column.to_numpy() for column in table.columns], axis=1)
    return values


def _formatted_values(separator: str) -> NDArray[np.uint32]:
    """Return the strings of 0 to 255 with their separator, each zero-padded to four bytes, (256,)."""
    formatted = b"".join(f"{value}{separator}".encode().ljust(4, b"\0") for value in range(256))
    return np.frombuffer(formatted, np.uint32)
