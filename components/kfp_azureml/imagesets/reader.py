"""Open the image set in a folder, Parquet or CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.runtime.errors import DataError

if TYPE_CHECKING:
    from kfp_azureml.imagesets.image_set import ImageSet


_DATA = "[!._]*"  # without files of engines (`_metadata`) and macOS (`._part.parquet`), the rule of PyArrow


def open_image_set(folder: str | Path) -> ImageSet:
    """Open the image set in a folder: Parquet files or one CSV file.

    Args:
        folder: A folder as written by prep. Several Parquet files, in the order of their names, are one set.

    Raises:
        DataError: If the folder contains no image set, or a damaged one.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected a training or test set written by prep")
    parquet_files, csv_files = (sorted(folder.glob(f"{_DATA}.{suffix}")) for suffix in ("parquet", "csv"))
    for inner in (path for path in (*parquet_files, *csv_files) if path.is_dir()):
        raise DataError(f"{inner}: a folder, expected a file; if it contains the parts, set this folder instead")
    for part in _parts_below(folder):
        raise DataError(f"{part}: Parquet files in subfolders are not supported: move all parts into {folder}")
    if parquet_files and csv_files:
        raise DataError(f"{folder}: contains both Parquet and CSV files; keep one format")
    if parquet_files:
        from kfp_azureml.imagesets.parquet import open_parquet

        return open_parquet(parquet_files)
    if len(csv_files) == 1:
        from kfp_azureml.imagesets.pixel_csv import open_csv

        return open_csv(csv_files[0])
    found = "more than one CSV file" if csv_files else "no .parquet and no .csv file"
    raise DataError(f"{folder}: contains {found}; expected a training or test set written by prep")


def _parts_below(folder: Path) -> Iterator[Path]:
    """Find Parquet files in subfolders, as in a partitioned data set."""
    for inner in sorted(folder.glob(_DATA)):
        if inner.is_dir():
            yield from inner.glob(f"{_DATA}.parquet")
            yield from _parts_below(inner)
