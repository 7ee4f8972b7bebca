"""Validate an idx image set and write it as a training and a test set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.imagesets import idx
from kfp_azureml.imagesets.image_set import images_per_group
from kfp_azureml.imagesets.source import Source, is_azureml_name, open_source
from kfp_azureml.runtime.errors import DataError
from kfp_azureml.runtime.outputs import atomic_folder
from kfp_azureml.runtime.step import progress, throttle

SubsetName = Literal["train", "t10k"]

FORMATS = ("parquet", "csv")
PARQUET_FILE = "images.parquet"
CSV_FILES: dict[SubsetName, str] = {"train": "mnist_train.csv", "t10k": "mnist_test.csv"}
LABELS_PER_READ = 1 << 16
PROGRESS_SECONDS = 2.0


@dataclass(frozen=True)
class PrepResult:
    """The result of prep.

    Attributes:
        training_images: Number of images in the training set.
        test_images: Number of images in the test set.
        image_shape: (height, width, channels) of every image.
        classes: Class names in label order.
    """

    training_images: int
    test_images: int
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]


def prep_data(
    input_data: str,
    training_data: Path,
    test_data: Path,
    *,
    output_format: str,
    class_names: Sequence[str],
    use_azure_credentials: bool,
    workspace: WorkspaceName,
) -> PrepResult:
    """Turn four idx files into a training and a test set; the component has the arguments.

    Headers and labels are checked before anything is written. Memory does not grow with the set. In the end both output
    folders are complete, or neither exists.

    Raises:
        DataError: If the data is missing, damaged or inconsistent.
        OutputError: If an output folder is not empty, or cannot be written.
        CredentialsError: If only some of the Azure credentials are set.
        WorkspaceError: If the workspace of a name in Azure ML is not known.
    """
    _check_arguments(training_data, test_data, output_format, class_names)
    if is_azureml_name(input_data):
        from kfp_azureml.azureml.data_references import locate

        input_data, use_azure_credentials = locate(input_data, **workspace._asdict()), True
    source = open_source(input_data, use_azure_credentials=use_azure_credentials)
    training = _inspect(source, "train")
    test = _inspect(source, "t10k")
    if test.shape != training.shape:
        raise DataError(
            f"{test.images_file}: images are {_shape_text(test.shape)}, but {_shape_text(training.shape)} in "
            f"{training.images_file}"
        )
    classes = tuple(class_names) or tuple(str(label) for label in range(training.highest_label + 1))
    for subset in (training, test):
        if subset.highest_label >= len(classes):
            known = "named" if class_names else "in the training set"
            raise DataError(
                f"{subset.labels_file}: label {subset.highest_label}, but only the {len(classes)} classes 0 to "
                f"{len(classes) - 1} are {known}"
            )

    with atomic_folder(training_data) as training_part, atomic_folder(test_data) as test_part:
        _write(source, training, classes, training_part, output_format)
        _write(source, test, classes, test_part, output_format)
    progress(
        f"{training.count:,} training and {test.count:,} test images of {_shape_text(test.shape)}, "
        f"{len(classes)} classes",
        1.0,
    )
    return PrepResult(training.count, test.count, training.shape, classes)


@dataclass(frozen=True)
class _SubsetInfo:
    """One of the two subsets, after its header and labels have been read."""

    name: SubsetName
    images_file: str
    labels_file: str
    count: int
    shape: tuple[int, int, int]
    highest_label: int


def _check_arguments(training_data: Path, test_data: Path, output_format: str, class_names: Sequence[str]) -> None:
    if output_format not in FORMATS:
        raise DataError(f"output_format is {output_format!r}; expected {' or '.join(FORMATS)}")
    duplicates = sorted({name for name in class_names if class_names.count(name) > 1})
    if duplicates:
        raise DataError(f"class_names contains {', '.join(duplicates)} more than once")
    one, other = training_data.resolve(), test_data.resolve()
    if one.is_relative_to(other) or other.is_relative_to(one):
        raise DataError(f"training_data {training_data} and test_data {test_data} must be separate folders")


def _inspect(source: Source, name: SubsetName) -> _SubsetInfo:
    """Read a subset's image header and all its labels."""
    with _open_images(source, name) as images, _open_labels(source, name) as labels:
        if images.count != labels.count:
            raise DataError(f"{labels.name}: {labels.count} labels for the {images.count} images of {images.name}")
        highest = max(max(chunk) for chunk in labels.chunks(LABELS_PER_READ))
        return _SubsetInfo(name, images.name, labels.name, images.count, images.shape, highest)


def _write(source: Source, subset: _SubsetInfo, classes: Sequence[str], folder: Path, output_format: str) -> None:
    progress(f"{subset.images_file}: {subset.count} images of {_shape_text(subset.shape)}")
    chunks = _chunks(source, subset)
    if output_format == "parquet":
        from kfp_azureml.imagesets.parquet import write_parquet

        write_parquet(folder / PARQUET_FILE, subset.shape, classes, chunks)
    else:
        from kfp_azureml.imagesets.pixel_csv import write_csv

        write_csv(folder / CSV_FILES[subset.name], subset.shape, chunks)


def _chunks(source: Source, subset: _SubsetInfo) -> Iterator[tuple[bytes, bytes]]:
    """Yield pixels and labels in chunks and report progress."""
    size = images_per_group(subset.shape)
    done = 0
    due = throttle(PROGRESS_SECONDS)
    with _open_images(source, subset.name) as images, _open_labels(source, subset.name) as labels:
        for pixels, labels_chunk in zip(images.chunks(size), labels.chunks(size), strict=True):
            yield pixels, labels_chunk
            done += len(labels_chunk)
            if due():
                progress(f"{subset.images_file}: {done} of {subset.count} images", done / subset.count)


@contextmanager
def _open_images(source: Source, name: SubsetName) -> Iterator[idx.IdxImages]:
    with source.open(idx.file_names(name, "images")) as stream:
        yield idx.open_images(stream, stream.name)


@contextmanager
def _open_labels(source: Source, name: SubsetName) -> Iterator[idx.IdxFile]:
    with source.open(idx.file_names(name, "labels")) as stream:
        yield idx.open_labels(stream, stream.name)


def _shape_text(shape: tuple[int, int, int]) -> str:
    return "x".join(map(str, shape))
