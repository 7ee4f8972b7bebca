"""Read Parquet files with encoded images inside, as Hugging Face's datasets library writes them.

The image is a struct of bytes and path, or a binary column; the label a number, whose class names are in the schema's
metadata, or a text.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from kfp_azureml.imagesets.archives import size_check
from kfp_azureml.imagesets.collection import BadImage, Collection, LabelledImage
from kfp_azureml.imagesets.packed_files import packed_files, seekable
from kfp_azureml.imagesets.source import Source
from kfp_azureml.imagesets.table_rows import LABEL_COLUMNS
from kfp_azureml.imagesets.tables import Table, label_text, without_validation
from kfp_azureml.runtime.errors import DataError, first_line

ROWS_PER_READ = 64
METADATA_KEY = b"huggingface"


def is_parquet(name: str) -> bool:
    """Return whether a file's name is that of a Parquet file."""
    return name.lower().endswith(".parquet")


def has_images(source: Source, table: Table, scratch: Path) -> bool:
    """Return whether a Parquet file has images inside and labels.

    Raises:
        DataError: If the file is damaged.
    """
    with _opened(source, table, scratch) as (file, _):
        try:
            _columns(file.schema_arrow, "")
        except DataError:
            return False
    return True


@contextmanager
def open_image_tables(source: Source, tables: Sequence[Table], scratch: Path) -> Iterator[Collection]:
    """Yield the images of one or several Parquet files.

    They are copied to a temporary file, so that they can be read in any order.

    Args:
        source: The folder of the tables.
        tables: The tables.
        scratch: Folder for the temporary file.

    Raises:
        DataError: If a file is damaged, has no column of images or none of labels, or other classes than the first, or
            has images of an unreasonable size for its own.
    """
    used = without_validation(tables)
    images: list[LabelledImage] = []
    bad: list[BadImage] = []
    all_names: list[list[str] | None] = []
    with packed_files(source.uri, scratch) as packed:
        for table in used:
            with _opened(source, table, scratch) as (file, size):
                image_column, label_column, names = _columns(file.schema_arrow, f"{source.uri}/{table.name}")
                if all_names and names != all_names[0]:
                    raise DataError(f"{source.uri}/{table.name}: class names differ from those of {used[0].name}")
                all_names.append(names)
                check = size_check(f"{source.uri}/{table.name}", partial(int, size))
                row = 0
                for batch in file.iter_batches(ROWS_PER_READ, columns=[image_column, label_column]):
                    for image, label in zip(batch.column(image_column), batch.column(label_column), strict=True):
                        row += 1
                        name = f"{table.name}, row {row}"
                        data = _bytes(image.as_py())
                        text = _label(label.as_py(), names)
                        if data is None:
                            bad.append(BadImage(name, "no image"))
                        elif not text:
                            bad.append(BadImage(name, f"label {label.as_py()!r} is no class"))
                        else:
                            check(len(data))
                            packed.add_bytes(name, data)
                            images.append(LabelledImage(name, text, table.subset))
        packed.finish()
        unused = [table.name for table in tables if table not in used]
        yield Collection(
            source.uri,
            f"images in {len(used)} Parquet file{'s' if len(used) > 1 else ''}"
            + (f", {', '.join(unused)} unused" if unused else ""),
            images,
            packed.read,
            tuple(bad),
            tuple(all_names[0]) if all_names and all_names[0] else None,
        )


@contextmanager
def _opened(source: Source, table: Table, scratch: Path) -> Iterator[tuple[Any, int]]:
    """Open a Parquet file; yield it and its size in bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    uri = f"{source.uri}/{table.name}"
    try:
        with source.open_raw(table.name) as raw, seekable(raw, scratch) as stream:
            size = stream.seek(0, io.SEEK_END)
            yield pq.ParquetFile(pa.PythonFile(stream, "r")), size
    except pa.ArrowException as error:
        raise DataError(f"{uri}: not a Parquet file, or damaged ({first_line(error)})") from error
    except source.failures as error:
        raise DataError(f"{uri}: not a Parquet file, or it cannot be read ({first_line(error)})") from error


def _columns(schema: Any, uri: str) -> tuple[str, str, list[str] | None]:
    """Return the columns of images and labels, and the class names if the metadata has them."""
    import pyarrow as pa

    if b"image_shape" in (schema.metadata or {}):
        raise DataError(f"{uri}: a set written by prep; train and score read it as it is")
    columns = [
        field.name
        for field in schema
        if pa.types.is_binary(field.type)
        or pa.types.is_large_binary(field.type)
        or (pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0)
    ]
    features = _features(schema, uri)
    labels = [name for name in LABEL_COLUMNS if name in schema.names]
    labels += [name for name, feature in features.items() if name in schema.names and "names" in feature]
    if not columns or not labels:
        what = "encoded images" if not columns else f"labels ({', '.join(LABEL_COLUMNS)})"
        raise DataError(f"{uri}: no column with {what}; columns are {', '.join(schema.names)}")
    names = features.get(labels[0], {}).get("names")
    return columns[0], labels[0], [str(name) for name in names] if isinstance(names, list) else None


def _features(schema: Any, uri: str) -> dict[str, Any]:
    try:
        features = json.loads((schema.metadata or {}).get(METADATA_KEY, b"{}")).get("info", {}).get("features", {})
        return {str(name): feature for name, feature in features.items() if isinstance(feature, dict)}
    except (ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{uri}: unreadable metadata of Hugging Face ({first_line(error)})") from error


def _bytes(image: Any) -> bytes | None:
    data = image.get("bytes") if isinstance(image, dict) else image
    return data if isinstance(data, bytes) else None


def _label(label: Any, names: list[str] | None) -> str:
    if names is None or not isinstance(label, int):
        return label_text(label)
    return names[label] if 0 <= label < len(names) else ""
