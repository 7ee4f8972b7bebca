"""Find images in tables of their paths or URIs and their labels."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp_azureml.imagesets.addressed_files import AddressedFiles
from kfp_azureml.imagesets.collection import (
    BadImage,
    Collection,
    LabelledImage,
    Subset,
    is_validation,
    list_entries,
    shown_name,
    subset_named,
)
from kfp_azureml.imagesets.source import Source
from kfp_azureml.imagesets.table_rows import LABEL_COLUMNS, PATH_COLUMNS, find_columns, is_table, read_rows
from kfp_azureml.runtime.errors import DataError

_DATA_FOLDER = "data"


@dataclass(frozen=True)
class Table:
    """A table file: its path in the source, and the subset that its name says."""

    name: str
    subset: Subset | None
    is_validation: bool = False


def list_tables(source: Source, is_wanted: Callable[[str], bool] = is_table) -> list[Table]:
    """Return the tables in a folder, or those in its folders data, train, test ... if it has none."""
    entries = list_entries(source, "")
    names = sorted(name for name, is_folder in entries.items() if not is_folder)
    if not any(map(is_wanted, names)):
        folders = sorted(
            name for name, is_folder in entries.items() if is_folder and (subset_named(name) or name == _DATA_FOLDER)
        )
        names = [
            f"{folder}/{name}"
            for folder in folders
            for name, is_folder in sorted(list_entries(source, folder).items())
            if not is_folder
        ]
    return [table_named(name) for name in names if is_wanted(name)]


def table_named(name: str) -> Table:
    """Return a table with the subset that a word of its name, or its folder's name, says."""
    folder, _, file = name.rpartition("/")
    words = [word for word in re.split(r"[-_. ]+", file.lower()) if subset_named(word)] or [folder]
    return Table(name, subset_named(words[0]), is_validation(words[0]))


def without_validation(tables: Sequence[Table]) -> list[Table]:
    """Return the tables without those of a validation set, if there are some of a test set."""
    has_test = any(table.subset == "test" and not table.is_validation for table in tables)
    return [table for table in tables if not (has_test and table.is_validation)]


def image_tables(source: Source, tables: Iterable[Table], scratch: Path) -> list[Table]:
    """Return the tables that have a column with paths and one with labels."""
    found = []
    for table in tables:
        try:
            first = next(iter(read_rows(source, table.name, scratch)), {})
        except DataError:
            continue
        if find_columns(list(first)):
            found.append(table)
    return found


def read_tables(
    source: Source, tables: Sequence[Table], locate: Callable[[str], str], use_azure_credentials: bool, scratch: Path
) -> Collection:
    """List the images of one or several tables.

    Args:
        source: The folder with the tables; paths are relative to each table's folder.
        tables: The tables.
        locate: Resolves azureml:// addresses.
        use_azure_credentials: Read addresses in Azure storage with credentials.
        scratch: Folder for temporary files.

    Raises:
        DataError: If a table is damaged, or has no column with paths or none with labels.
    """
    images: list[LabelledImage] = []
    bad: list[BadImage] = []
    used = without_validation(tables)
    for table in used:
        columns = None
        for number, row in enumerate(read_rows(source, table.name, scratch), 1):
            columns = columns or find_columns(list(row))
            if columns is None:
                raise DataError(
                    f"{source.uri}/{table.name}: columns are {', '.join(map(str, row)) or 'none'}; expected one of "
                    f"{', '.join(PATH_COLUMNS)} and one of {', '.join(LABEL_COLUMNS)}"
                )
            path = row.get(columns.path)
            label = label_text(row.get(columns.label))
            subset = row.get(columns.subset) if columns.subset else None
            if not isinstance(path, str) or not path.strip():
                bad.append(BadImage(f"{table.name}, row {number}", "no path"))
            elif not _is_file_name(path):
                bad.append(BadImage(f"{table.name}, row {number}", "its path has characters that no file name has"))
            elif not label:
                bad.append(BadImage(path, f"no label in row {number} of {table.name}"))
            else:
                side = subset_named(str(subset).strip()) if subset else table.subset
                images.append(LabelledImage(_beside(table.name, path.strip()), label, side))
        if columns is None:
            raise DataError(f"{source.uri}/{table.name}: the table is empty")
    unused = [table.name for table in tables if table not in used]
    found = f"{'table' if len(used) == 1 else 'tables'} {', '.join(table.name for table in used)}"
    read = AddressedFiles(source, locate, use_azure_credentials).read
    return Collection(
        source.uri,
        found + (f", {', '.join(unused)} unused" if unused else ""),
        _once(images, source.uri),
        read,
        tuple(bad),
    )


def _is_file_name(path: str) -> bool:
    """Return whether a file can have this name: JSON can have null characters and half surrogate pairs."""
    try:
        return "\0" not in path and bool(os.fsencode(path))
    except UnicodeEncodeError:
        return False


def label_text(value: Any) -> str:
    """Return a label as a class name; empty if there is none. A list of one label counts as this."""
    if isinstance(value, list) and len(value) == 1:
        return label_text(value[0])
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int) else ""


def _beside(table: str, path: str) -> str:
    folder = table.rpartition("/")[0]
    return f"{folder}/{path}" if folder and "://" not in path and not path.startswith("/") else path


def _once(images: list[LabelledImage], uri: str) -> list[LabelledImage]:
    """Return the images without repeated rows.

    Raises:
        DataError: If an image has two labels or is in both sets.
    """
    seen: dict[str, LabelledImage] = {}
    for image in images:
        before: LabelledImage = seen.setdefault(image.name, image)
        if before.label != image.label:
            raise DataError(
                f"{uri}: {shown_name(image.name)} has two labels, {before.label} and {image.label}; keep one"
            )
        if before.subset != image.subset:
            raise DataError(f"{uri}: {shown_name(image.name)} is in both the training and the test set; keep one")
    return list(seen.values())
