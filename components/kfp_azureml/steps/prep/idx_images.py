"""Validate an idx image set and write it as a training and a test set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from kfp_azureml.imagesets import idx
from kfp_azureml.imagesets.image_set import images_per_group
from kfp_azureml.imagesets.source import Source
from kfp_azureml.runtime.errors import DataError
from kfp_azureml.runtime.step import progress, throttle
from kfp_azureml.steps.prep.result import Findings
from kfp_azureml.steps.prep.tally import SetTally
from kfp_azureml.steps.prep.write_set import write_set

if TYPE_CHECKING:
    from kfp_azureml.imagesets.collection import Subset

FileName = Literal["train", "t10k"]

SUBSETS: dict[FileName, Subset] = {"train": "train", "t10k": "test"}
LABELS_PER_READ = 1 << 16
PROGRESS_SECONDS = 2.0


@dataclass(frozen=True)
class IdxSubset:
    """One of the two subsets, after its header and labels have been read."""

    name: FileName
    images_file: str
    labels_file: str
    count: int
    shape: tuple[int, int, int]
    highest_label: int


class IdxImages(NamedTuple):
    """Four idx files, after their headers and labels have been checked.

    Attributes:
        source: Where they are.
        training: The training set.
        test: The test set.
        classes: Class names in label order.
    """

    source: Source
    training: IdxSubset
    test: IdxSubset
    classes: tuple[str, ...]

    def write(self, training_folder: Path, test_folder: Path, output_format: str) -> Findings:
        """Write both sets.

        Raises:
            DataError: If a file is truncated or corrupt.
        """
        training = self._write(self.training, training_folder, output_format)
        test = self._write(self.test, test_folder, output_format)
        return Findings(self.source.uri, "idx files", self.classes, training, test)

    def _write(self, subset: IdxSubset, folder: Path, output_format: str) -> SetTally:
        progress(f"{subset.images_file}: {subset.count} images of {shape_text(subset.shape)}")
        tally = SetTally(subset.shape, self.classes)
        chunks = tally.watch(_chunks(self.source, subset))
        write_set(folder, SUBSETS[subset.name], output_format, subset.shape, self.classes, chunks)
        return tally


def inspect_idx(source: Source, class_names: Sequence[str]) -> IdxImages:
    """Check the headers and labels of the four files.

    Raises:
        DataError: If a file is missing, damaged, or does not fit the others.
    """
    training = _inspect(source, "train")
    test = _inspect(source, "t10k")
    if test.shape != training.shape:
        raise DataError(
            f"{test.images_file}: images are {shape_text(test.shape)}, but {shape_text(training.shape)} in "
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
    return IdxImages(source, training, test, classes)


def shape_text(shape: tuple[int, ...]) -> str:
    """Return a shape such as 28x28x1."""
    return "x".join(map(str, shape))


def _inspect(source: Source, name: FileName) -> IdxSubset:
    """Read a subset's image header and all its labels."""
    with _open_images(source, name) as images, _open_labels(source, name) as labels:
        if images.count != labels.count:
            raise DataError(f"{labels.name}: {labels.count} labels for the {images.count} images of {images.name}")
        highest = max(max(chunk) for chunk in labels.chunks(LABELS_PER_READ))
        return IdxSubset(name, images.name, labels.name, images.count, images.shape, highest)


def _chunks(source: Source, subset: IdxSubset) -> Iterator[tuple[bytes, bytes]]:
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
def _open_images(source: Source, name: FileName) -> Iterator[idx.IdxImages]:
    with source.open(idx.file_names(name, "images")) as stream:
        yield idx.open_images(stream, stream.name)


@contextmanager
def _open_labels(source: Source, name: FileName) -> Iterator[idx.IdxFile]:
    with source.open(idx.file_names(name, "labels")) as stream:
        yield idx.open_labels(stream, stream.name)
