"""An image set opened for reading, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kfp_azureml.imagesets.preprocessing import Preprocessing

# Training shuffles groups, so small ones are better, but each costs the writer about 2 kB until the end.
# The limit in bytes bounds memory for large images.
GROUP_IMAGES = 2048
GROUP_BYTES = 4 << 20

MAX_IMAGE_SIDE = 8192
"""Maximum height and width, in pixels, that images can be resized to."""

MAX_CLASSES = 1 << 16
"""Maximum number of classes; labels have at most 16 bits."""


@dataclass(frozen=True)
class ImageSetInfo:
    """Count, shape, classes and preprocessing of an image set.

    Attributes:
        count: Number of images.
        shape: Image shape, (height, width, channels); a grey image has one channel.
        classes: Class names in label order.
        preprocessing: How the pixels were made from encoded images; None for raw images.
    """

    count: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    preprocessing: Preprocessing | None = None


@dataclass(frozen=True)
class Batch:
    """A batch of images with their labels.

    Attributes:
        images: (n, height, width, channels), uint8. May be a read-only view.
        labels: (n,), uint8, or uint16 with more than 256 classes; indices into the set's classes.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8] | NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageSet:
    """An image set opened for reading; not thread-safe.

    The set is a sequence of groups, which are read one at a time.

    Attributes:
        info: Count, shape and classes.
        group_sizes: Number of images in each group.
        read_group: Reads a group by its index.
        read_labels: Reads all labels, (count,), uint8 or uint16.
    """

    info: ImageSetInfo
    group_sizes: tuple[int, ...]
    read_group: Callable[[int], Batch]
    read_labels: Callable[[], NDArray[np.uint8] | NDArray[np.uint16]]

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield the set in order, in batches of `batch_size`; the last may be smaller."""
        held: list[Batch] = []
        for group in range(len(self.group_sizes)):
            held.append(self.read_group(group))
            if sum(map(len, held)) < batch_size:
                continue
            joined = _join(held)
            rest = len(joined) - len(joined) % batch_size
            for start in range(0, rest, batch_size):
                yield _slice(joined, start, start + batch_size)
            held = [_slice(joined, rest, len(joined))]
        last = _join(held)
        if len(last):
            yield last


def label_bytes(classes: int) -> int:
    """Return the size of a label: 1 byte for up to 256 classes, else 2, little-endian."""
    return 1 if classes <= 256 else 2


def images_per_group(shape: tuple[int, int, int]) -> int:
    """Return the number of images of a shape in a group."""
    return max(1, min(GROUP_IMAGES, GROUP_BYTES // prod(shape)))


def _join(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    import numpy as np

    return Batch(
        np.concatenate([batch.images for batch in batches]),
        np.concatenate([batch.labels for batch in batches]),
    )


def _slice(batch: Batch, start: int, end: int) -> Batch:
    return Batch(batch.images[start:end], batch.labels[start:end])
