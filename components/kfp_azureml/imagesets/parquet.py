"""Read and write image sets as Parquet.

    image   fixed-size binary   height * width * channels bytes, row-major
    label   uint8               index into the class names; uint16 with more than 256 classes

The schema's metadata has `image_shape`, [height, width, channels], and `classes`, the class names, both as JSON. Images
that were decoded have `preprocessing`, as JSON too.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from kfp_azureml.imagesets.image_set import Batch, ImageSet, ImageSetInfo, label_bytes
from kfp_azureml.imagesets.preprocessing import Preprocessing
from kfp_azureml.runtime.errors import DataError, first_line
from kfp_azureml.runtime.file_kinds import HEAD_BYTES, looks_like

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IMAGE = "image"
LABEL = "label"
SHAPE_KEY = b"image_shape"
CLASSES_KEY = b"classes"
PREPROCESSING_KEY = b"preprocessing"

COMPRESSED_BYTES = 1 << 16
"""Size of an image from which pixels are compressed, such as 148x148 in colour."""


def write_parquet(
    path: Path,
    shape: tuple[int, int, int],
    classes: Sequence[str],
    chunks: Iterable[tuple[bytes | bytearray, bytes]],
    preprocessing: Mapping[str, Any] | None = None,
) -> None:
    """Write an image set to a Parquet file, one row group per chunk.

    Pages have checksums. Images from `COMPRESSED_BYTES` on are compressed, since such sets are copied to and from
    object stores; the README of prep has the figures. Smaller ones are not, since training reads the set in each epoch.
    Measured on the 60,000 training images of Fashion-MNIST, user CPU to write and to read: none 25 and 20 ms (47 MB),
    lz4 85 and 20 ms (31 MB), snappy 110 and 65 ms (30 MB), zstd level 1 130 and 55 ms (27 MB).

    Args:
        path: The file to write.
        shape: Image shape, (height, width, channels).
        classes: Class names in label order.
        chunks: Pixels and labels of consecutive images: one byte per pixel, `label_bytes` per label.
        preprocessing: How the pixels were made from encoded images; None for raw images.
    """
    metadata = {SHAPE_KEY: json.dumps(shape), CLASSES_KEY: json.dumps(list(classes))}
    if preprocessing:
        metadata[PREPROCESSING_KEY] = json.dumps(preprocessing)
    pixels = pa.binary(prod(shape))
    label_type = _label_type(len(classes))
    schema = pa.schema(
        [pa.field(IMAGE, pixels, nullable=False), pa.field(LABEL, label_type, nullable=False)], metadata=metadata
    )
    with pq.ParquetWriter(
        path,
        schema,
        compression={IMAGE: "zstd" if prod(shape) >= COMPRESSED_BYTES else "none", LABEL: "none"},
        compression_level={IMAGE: 1} if prod(shape) >= COMPRESSED_BYTES else None,
        use_dictionary=[LABEL],
        write_statistics=[LABEL],
        write_page_checksum=True,
    ) as writer:
        for images, labels in chunks:
            count = len(labels) // label_bytes(len(classes))
            columns = [
                pa.FixedSizeBinaryArray.from_buffers(pixels, count, [None, pa.py_buffer(images)]),
                pa.Array.from_buffers(label_type, count, [None, pa.py_buffer(labels)]),
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema), row_group_size=count)


def open_parquet(paths: Sequence[Path]) -> ImageSet:
    """Open Parquet files as one image set.

    Files are only open while they are read, so their number is not limited.

    Args:
        paths: The files in order; files without rows are allowed.

    Raises:
        DataError: If a file is not Parquet, has other columns, lacks the metadata, or differs from the first file in
            shape, classes or preprocessing, or if there are no images.
    """
    footers = [_read_footer(path) for path in paths]
    shape, classes, preprocessing = first = _read_metadata(paths[0], footers[0])
    for path, footer in zip(paths, footers, strict=True):
        found = _read_metadata(path, footer)
        if found[:2] != first[:2]:
            raise DataError(f"{path}: image shape or classes differ from those of {paths[0].name}")
        if found != first:
            raise DataError(f"{path}: images were preprocessed differently from those of {paths[0].name}")
    count = sum(footer.num_rows for footer in footers)
    if not count:
        raise DataError(f"{paths[0].parent}: the image set is empty")

    # Index in the set of each file's first group.
    first_groups = list(accumulate((footer.num_row_groups for footer in footers), initial=0))[:-1]
    group_sizes = tuple(
        footer.row_group(group).num_rows for footer in footers for group in range(footer.num_row_groups)
    )

    def read_group(index: int) -> Batch:
        number = bisect_right(first_groups, index) - 1
        with _opened(paths[number], footers[number]) as file:
            table = file.read_row_group(index - first_groups[number], use_threads=False)
        labels = _labels(paths[number], table, len(classes))
        return Batch(_images(table).reshape(-1, *shape), labels)

    def read_labels() -> NDArray[np.uint8] | NDArray[np.uint16]:
        import numpy as np

        return np.concatenate([_read_labels(path, footer) for path, footer in zip(paths, footers, strict=True)])

    def _read_labels(path: Path, footer: Any) -> NDArray[np.uint8] | NDArray[np.uint16]:
        with _opened(path, footer) as file:
            table = file.read(columns=[LABEL], use_threads=False)
        return _labels(path, table, len(classes))

    return ImageSet(ImageSetInfo(count, shape, classes, preprocessing), group_sizes, read_group, read_labels)


def _label_type(classes: int) -> pa.DataType:
    return pa.uint8() if label_bytes(classes) == 1 else pa.uint16()


@contextmanager
def _opened(path: Path, footer: Any) -> Iterator[Any]:
    """Open a file whose footer has been read."""
    with _as_data_error(path), pq.ParquetFile(path, metadata=footer, page_checksum_verification=True) as file:
        yield file


def _read_footer(path: Path) -> Any:
    with _as_data_error(path):
        footer = pq.read_metadata(path)
        schema = footer.schema.to_arrow_schema()
    if sorted(schema.names) != [IMAGE, LABEL]:
        raise DataError(f"{path}: columns are {', '.join(schema.names)}; expected {IMAGE} and {LABEL}")
    if not pa.types.is_fixed_size_binary(schema.field(IMAGE).type):
        raise DataError(f"{path}: column {IMAGE} is {schema.field(IMAGE).type}; expected fixed-size binary")
    if schema.field(LABEL).type not in (pa.uint8(), pa.uint16()):
        raise DataError(f"{path}: column {LABEL} is {schema.field(LABEL).type}; expected uint8 or uint16")
    return footer


def _read_metadata(path: Path, footer: Any) -> tuple[tuple[int, int, int], tuple[str, ...], Preprocessing | None]:
    schema = footer.schema.to_arrow_schema()
    metadata = schema.metadata or {}
    for key in (SHAPE_KEY, CLASSES_KEY):
        if key not in metadata:
            raise DataError(f"{path}: no {key.decode()} in the schema's metadata; expected a file written by prep")
    try:
        height, width, channels = (int(size) for size in json.loads(metadata[SHAPE_KEY]))
        classes = tuple(str(name) for name in json.loads(metadata[CLASSES_KEY]))
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: unreadable image_shape or classes in the schema's metadata ({error})") from error
    shape = (height, width, channels)
    size = schema.field(IMAGE).type.byte_width
    if min(shape) < 1 or prod(shape) != size:
        raise DataError(f"{path}: images have {size} bytes, but image_shape is {shape}")
    if PREPROCESSING_KEY not in metadata:
        return shape, classes, None
    try:
        return shape, classes, Preprocessing.from_json(json.loads(metadata[PREPROCESSING_KEY]), shape)
    except ValueError as error:
        raise DataError(f"{path}: in the schema's metadata, {error}") from error


def _images(table: pa.Table) -> NDArray[np.uint8]:
    """Return a view of the pixels of a table, (n * height * width * channels,)."""
    import numpy as np

    column = table.column(IMAGE).combine_chunks()
    size = column.type.byte_width
    return np.frombuffer(column.buffers()[1], np.uint8, count=len(column) * size, offset=column.offset * size)


def _labels(path: Path, table: pa.Table, classes: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    for column in table.columns:
        if column.null_count:
            raise DataError(f"{path}: rows without image or label")
    labels: NDArray[np.uint8] | NDArray[np.uint16] = table.column(LABEL).to_numpy()
    if len(labels) and labels.max() >= classes:
        raise DataError(f"{path}: label {labels.max()}, but only {classes} classes in the metadata")
    return labels


@contextmanager
def _as_data_error(path: Path) -> Iterator[None]:
    """Turn Arrow and system errors into DataError."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        # A system error, such as too many open files, does not mean that the file is damaged.
        if isinstance(error, OSError) and error.errno:
            raise DataError(f"{path}: cannot be read ({os.strerror(error.errno)})") from error
        with path.open("rb") as stream:
            kind = looks_like(stream.read(HEAD_BYTES))
        if kind and "Parquet" not in kind:
            raise DataError(f"{path}: not a Parquet file: it looks like {kind}") from error
        raise DataError(f"{path}: not a Parquet file, or damaged ({first_line(error)})") from error
