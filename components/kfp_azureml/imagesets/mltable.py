"""Read which tables an MLTable folder of Azure Machine Learning consists of."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from kfp_azureml.imagesets.source import Source
from kfp_azureml.imagesets.tables import Table, table_named
from kfp_azureml.runtime.errors import DataError, first_line

FILE = "MLTable"

_READERS = ("read_json_lines", "read_delimited", "read_parquet")
# They change neither rows nor the columns that matter here.
_HARMLESS = (*_READERS, "convert_column_types")
MAX_BYTES = 1 << 20


def mltable_files(source: Source) -> list[Table]:
    """Return the tables that the file MLTable names.

    Raises:
        DataError: If it is damaged, names no table in its folder, or has transformations that choose rows.
    """
    uri = f"{source.uri}/{FILE}"
    document = _load(source, uri)
    for step in document.get("transformations") or []:
        for name in step if isinstance(step, dict) else [step]:
            if name not in _HARMLESS:
                shown = name if isinstance(name, str) else _shown(name)
                raise DataError(
                    f"{uri}: transformation {shown[:100]} is not supported; only {', '.join(_HARMLESS)} are"
                )
    names = [name for entry in document.get("paths") or [] for name in _files(source, uri, entry)]
    if not names:
        raise DataError(f"{uri}: names no tables; expected paths with a file, a folder or a pattern each")
    return [table_named(name) for name in dict.fromkeys(names)]


def _shown(value: Any) -> str:
    """Return a value for messages, shortened: references in YAML can make a small file gigabytes."""
    shown = reprlib.Repr()
    shown.maxlevel = 2
    return shown.repr(value)


def _load(source: Source, uri: str) -> dict[str, Any]:
    import yaml

    try:
        with source.open_raw(FILE) as stream:
            document = yaml.safe_load(stream.read(MAX_BYTES).decode())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{uri}: not YAML ({first_line(error)})") from error
    except source.failures as error:
        raise DataError(f"{uri}: cannot be read: {first_line(error)}") from error
    if not isinstance(document, dict) or not all(
        isinstance(document.get(name) or [], list) for name in ("paths", "transformations")
    ):
        raise DataError(f"{uri}: not an MLTable file: expected paths and transformations")
    return document


def _files(source: Source, uri: str, entry: Any) -> Iterator[str]:
    kind, path = next(iter(entry.items())) if isinstance(entry, dict) and len(entry) == 1 else ("", "")
    if kind not in ("file", "folder", "pattern") or not isinstance(path, str):
        raise DataError(f"{uri}: a path is {_shown(entry)}; expected a file, a folder or a pattern")
    if "://" in path or path.startswith("/") or ".." in path.split("/"):
        raise DataError(f"{uri}: {path} is not in the MLTable's folder; put the tables there")
    path = path.removeprefix("./").rstrip("/")
    if kind == "file":
        yield path
        return
    folder, _, pattern = (path, "", "*") if kind == "folder" else path.rpartition("/")
    try:
        listed = source.list_folder("" if folder == "." else folder)
    except source.failures as error:
        raise DataError(f"{uri}: {path} cannot be listed: {first_line(error)}") from error
    for name, is_folder in sorted(listed.items()):
        if not is_folder and name != FILE and not name.startswith((".", "_")) and fnmatchcase(name, pattern):
            yield f"{folder}/{name}" if folder not in ("", ".") else name
