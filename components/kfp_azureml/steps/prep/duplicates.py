"""Find images that are in both sets, by their pixels after preprocessing."""

from __future__ import annotations

from dataclasses import dataclass

from kfp_azureml.imagesets.collection import LabelledImage, shown_name

SHOWN_DUPLICATES = 1000


@dataclass(frozen=True)
class Duplicate:
    """Two images with the same pixels, one in each set; the names of their files and classes."""

    training: str
    training_class: str
    test: str
    test_class: str


class Duplicates:
    """Images with the same pixels in both sets.

    Attributes:
        found: The first of them.
        count: Number of training images that are also in the test set.
    """

    def __init__(self) -> None:
        # By Python's hash of the pixels, five times faster than SHA-256; a chance match among a million: 1 to 10^7.
        self._test: dict[int, LabelledImage] = {}
        self.found: list[Duplicate] = []
        self.count = 0

    def note_test(self, image: LabelledImage, pixels: bytes) -> None:
        """Note an image of the test set."""
        self._test.setdefault(hash(pixels), image)

    def note_training(self, image: LabelledImage, pixels: bytes) -> None:
        """Compare an image of the training set with the test set, which has to be complete."""
        same = self._test.get(hash(pixels))
        if same:
            self.count += 1
            if len(self.found) < SHOWN_DUPLICATES:
                self.found.append(Duplicate(shown_name(image.name), image.label, shown_name(same.name), same.label))
