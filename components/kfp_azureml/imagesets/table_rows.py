"""Read the rows of tables of images: CSV, TSV, JSON Lines, Parquet.

A table has a column with paths or URIs, one with labels, and maybe one with the subset; they are known by their names.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp_azureml.imagesets.packed_files import seekable
from kfp_azureml.imagesets.source import InputStream, Source
from kfp_azureml.runtime.errors import DataError, first_line

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

PATH_COLUMNS = (
    *("image_url", "path", "image_path", "file_path", "filepath", "filepaths", "file_name", "filename", "file"),
    *("image", "uri", "url", "img"),
)
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "category", "target", "fine_label")
SUBSET_COLUMNS = ("split", "subset", "set", "data_set", "partition")

ROWS_PER_READ = 4096
MAX_LINE = 16 * 2**20
"""Maximum length of a line, in characters: a file without line ends would be read into memory as one."""
_DELIMITERS = (",", "\t", ";", "|")


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns; the subset's is empty if there is none."""

    path: str
    label: str
    subset: str


def is_table(name: str) -> bool:
    """Return whether a file's name is that of a table."""
    return name.lower().endswith(ENDINGS)


def find_columns(names: Sequence[str]) -> Columns | None:
    """Return the columns of a table of images; None if it is another table."""
    by_name = {name.strip().lower().replace(" ", "_").replace("-", "_"): name for name in reversed(names)}
    path, label, subset = (
        next((by_name[name] for name in known if name in by_name), "")
        for known in (PATH_COLUMNS, LABEL_COLUMNS, SUBSET_COLUMNS)
    )
    return Columns(path, label, subset) if path and label else None


def read_rows(source: Source, name: str, scratch: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a table by column name; the first item has all columns.

    Raises:
        DataError: If it cannot be read, or is damaged.
    """
    uri = f"{source.uri}/{name}"
    ending = Path(name).suffix.lower()
    try:
        with source.open_raw(name) as raw:
            if ending == ".parquet":
                yield from _parquet_rows(raw, scratch)
            else:
                text = io.TextIOWrapper(InputStream(raw, uri, source.failures), "utf-8-sig", newline="")
                yield from _json_rows(text) if ending in (".jsonl", ".ndjson") else _csv_rows(text)
    except DataError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(f"{uri}: not a text in UTF-8 ({error})") from error
    except (csv.Error, _TableError) as error:
        raise DataError(f"{uri}: {error}") from error
    except source.failures as error:
        raise DataError(f"{uri}: cannot be read: {first_line(error)}") from error


class _TableError(Exception):
    """A table is damaged; the message lacks its name."""


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    for number in itertools.count(1):
        line = text.readline(MAX_LINE + 1)
        if not line:
            return
        if len(line) > MAX_LINE:
            raise _TableError(
                f"line {number} is longer than {MAX_LINE >> 20} Mi characters: a table has one row on a line"
            )
        yield line


def _csv_rows(text: io.TextIOWrapper) -> Iterator[Mapping[str, Any]]:
    lines = _lines(text)
    header = next(lines, "")
    if not header.strip():
        raise _TableError("the table is empty")
    found = [next(csv.reader([header], delimiter=delimiter)) for delimiter in _DELIMITERS]
    names = next((names for names in found if find_columns(names)), max(found, key=len))
    delimiter = _DELIMITERS[found.index(names)]
    for number, values in enumerate(csv.reader(lines, delimiter=delimiter), 2):
        if not values:
            continue
        if len(values) != len(names):
            raise _TableError(f"line {number}: {len(values)} values, but {len(names)} columns in the header")
        yield dict(zip(names, values, strict=True))


def _json_rows(text: io.TextIOWrapper) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(_lines(text), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _TableError(f"line {number} is not JSON ({first_line(error)})") from error
        if not isinstance(row, dict):
            raise _TableError(f"line {number} is not a JSON object")
        yield row


def _parquet_rows(raw: Any, scratch: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with seekable(raw, scratch) as stream:
        try:
            file = pq.ParquetFile(pa.PythonFile(stream, "r"))
            columns = find_columns(file.schema_arrow.names)
            wanted = [name for name in vars(columns).values() if name] if columns else None
            for batch in file.iter_batches(ROWS_PER_READ, columns=wanted):
                yield from batch.to_pylist()
        except pa.ArrowException as error:
            raise _TableError(f"not a Parquet file, or damaged ({first_line(error)})") from error
