"""Count the images of a set by class, and keep samples, while the set is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import prod

from kfp_azureml.imagesets.image_set import label_bytes

SAMPLES = 8
"""Number of samples per class."""

FEW_CLASSES = 32
"""Up to so many, one scan of the labels for each is faster than to count all at once."""

SAMPLED_CLASSES = 30
SAMPLE_BYTES = 16 << 20
"""Maximum size of all samples in memory."""


class SetTally:
    """Counts and samples of one set.

    Attributes:
        shape: (height, width, channels) of every image.
        counts: Number of images by label.
        samples: Pixels of the first images by label, for the first classes only.
    """

    def __init__(self, shape: tuple[int, int, int], classes: Sequence[str]) -> None:
        self.shape = shape
        self.counts = [0] * len(classes)
        sampled = min(len(classes), SAMPLED_CLASSES, max(1, SAMPLE_BYTES // prod(shape)))
        self._wanted = max(1, min(SAMPLES, SAMPLE_BYTES // (prod(shape) * sampled)))
        self.samples: list[list[bytes]] = [[] for _ in range(sampled)]
        self._label_code = "B" if label_bytes(len(classes)) == 1 else "H"

    def watch(self, chunks: Iterable[tuple[bytes | bytearray, bytes]]) -> Iterator[tuple[bytes | bytearray, bytes]]:
        """Yield chunks of pixels and labels unchanged, and count them."""
        for pixels, labels in chunks:
            self._add(pixels, memoryview(labels).cast(self._label_code))  # type: ignore[call-overload]
            yield pixels, labels

    def _add(self, pixels: bytes | bytearray, labels: memoryview) -> None:
        if len(self.counts) <= FEW_CLASSES:
            data = labels.tobytes()
            for label in range(len(self.counts)):
                self.counts[label] += data.count(label)
        else:
            for label, count in Counter(labels).items():
                self.counts[label] += count
        wanting = {label for label, kept in enumerate(self.samples) if len(kept) < self._wanted}
        if not wanting.intersection(labels):
            return
        size = prod(self.shape)
        for row, label in enumerate(labels):
            if label in wanting:
                kept = self.samples[label]
                kept.append(bytes(pixels[row * size : (row + 1) * size]))
                if len(kept) == self._wanted:
                    wanting.remove(label)
                    if not wanting:
                        return
