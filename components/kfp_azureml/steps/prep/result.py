"""What prep wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from kfp_azureml.imagesets.collection import BadImage
    from kfp_azureml.steps.prep.duplicates import Duplicate
    from kfp_azureml.steps.prep.tally import SetTally


class PrepResult(NamedTuple):
    """The result of prep.

    Attributes:
        training_images: Number of images in the training set.
        test_images: Number of images in the test set.
        image_shape: (height, width, channels) of every image.
        classes: Class names in label order.
        skipped_images: Number of files that could not be used.
        duplicates: Number of training images that are also in the test set; None if not looked for.
    """

    training_images: int
    test_images: int
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    skipped_images: int = 0
    duplicates: int | None = None


class Findings(NamedTuple):
    """What the data report shows.

    Attributes:
        source: Address of the data.
        found: In which form the images were.
        classes: Class names in label order.
        training: Counts and samples of the training set.
        test: Counts and samples of the test set.
        preprocessing: How images were decoded; None if they were raw.
        skipped: Files that could not be used.
        duplicates: The first images that are in both sets.
        duplicate_count: Number of training images that are also in the test set; None if not looked for.
        sizes: Number of images by size and colour before preprocessing, the most common first; empty if not read.
    """

    source: str
    found: str
    classes: tuple[str, ...]
    training: SetTally
    test: SetTally
    preprocessing: Mapping[str, Any] | None = None
    skipped: Sequence[BadImage] = ()
    duplicates: Sequence[Duplicate] = ()
    duplicate_count: int | None = None
    sizes: Mapping[str, int] = MappingProxyType({})

    def result(self) -> PrepResult:
        """Return the summary."""
        return PrepResult(
            sum(self.training.counts),
            sum(self.test.counts),
            self.training.shape,
            self.classes,
            len(self.skipped),
            self.duplicate_count,
        )
