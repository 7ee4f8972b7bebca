"""Write one set, as Parquet or as the CSV of the original example."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.imagesets.image_set import label_bytes
from kfp_azureml.runtime.errors import DataError

if TYPE_CHECKING:
    from kfp_azureml.imagesets.collection import Subset

FORMATS = ("parquet", "csv")
PARQUET_FILE = "images.parquet"
CSV_FILES: dict[Subset, str] = {"train": "mnist_train.csv", "test": "mnist_test.csv"}


def write_set(
    folder: Path,
    subset: Subset,
    output_format: str,
    shape: tuple[int, int, int],
    classes: Sequence[str],
    chunks: Iterable[tuple[bytes | bytearray, bytes]],
    preprocessing: Mapping[str, Any] | None = None,
) -> None:
    """Write one set into a folder.

    Raises:
        DataError: If CSV cannot hold such images.
    """
    if output_format == "parquet":
        from kfp_azureml.imagesets.parquet import write_parquet

        write_parquet(folder / PARQUET_FILE, shape, classes, chunks, preprocessing)
    else:
        from kfp_azureml.imagesets.pixel_csv import write_csv

        if label_bytes(len(classes)) > 1:
            raise DataError(f"CSV supports up to 256 classes only, not {len(classes)}; write Parquet")
        write_csv(folder / CSV_FILES[subset], shape, chunks)
