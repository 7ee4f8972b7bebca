"""Opening the image set of a folder, whichever format it holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kfp_azureml.runtime.errors import DataError

if TYPE_CHECKING:
    from kfp_azureml.imagesets.image_set import ImageSet


_DATA = "[!._]*"  # not what engines (`_metadata`) and macOS (`._part.parquet`) leave beside it, as PyArrow has it


def open_image_set(folder: str | Path) -> ImageSet:
    """Open the image set of a folder: any number of Parquet files, or one CSV file.

    Args:
        folder: A folder as prep writes it. Parquet files are read in the order of their names, so what a distributed
            engine wrote in parts is one set.

    Returns:
        The set. Of Parquet only the footers have been read; a CSV file has been scanned once.

    Raises:
        DataError: If there is no image set in the folder, or it is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected the training or test data that prep writes")
    parquet_files, csv_files = (sorted(folder.glob(f"{_DATA}.{suffix}")) for suffix in ("parquet", "csv"))
    for inner in (path for path in (*parquet_files, *csv_files) if path.is_dir()):
        raise DataError(f"{inner}: a folder, expected a file: if it holds the parts, give this folder itself")
    if parquet_files and csv_files:
        raise DataError(f"{folder}: holds both Parquet and CSV files: keep one kind")
    if parquet_files:
        from kfp_azureml.imagesets.parquet import open_parquet

        return open_parquet(parquet_files)
    if len(csv_files) == 1:
        from kfp_azureml.imagesets.pixel_csv import open_csv

        return open_csv(csv_files[0])
    found = "more than one CSV file" if csv_files else "no .parquet and no .csv file"
    raise DataError(f"{folder}: {found} in it; expected the training or test data that prep writes")
