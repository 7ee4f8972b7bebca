"""What an image set is to those who read it, whichever format it is kept in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Groups are what training shuffles, so small ones are good; but each costs the writer about 2 kB until the end.
# The limit in bytes keeps memory level for large images.
GROUP_IMAGES = 2048
GROUP_BYTES = 4 << 20


@dataclass(frozen=True)
class ImageSetInfo:
    """What is known of an image set before any image is read.

    Attributes:
        count: The number of images.
        shape: Of one image: (height, width, channels); a grey image has one channel.
        classes: The class names, in the order of the labels.
    """

    count: int
    shape: tuple[int, int, int]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """Some images with their labels.

    Attributes:
        images: (n, height, width, channels), uint8. May be a read-only view: copy it before writing into it.
        labels: (n,), uint8, indices into the set's classes.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageSet:
    """An image set opened for reading; not to be shared between threads.

    Memory holds one group at a time, whatever the size of the set.

    Attributes:
        info: Count, shape and classes.
        group_sizes: How many images each group holds. Groups in order are the set in order.
        read_group: Reads one group by its index; any group, in any order, any number of times.
        read_labels: Reads all labels, (count,), uint8, without the images.
    """

    info: ImageSetInfo
    group_sizes: tuple[int, ...]
    read_group: Callable[[int], Batch]
    read_labels: Callable[[], NDArray[np.uint8]]

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield the whole set in order, `batch_size` images at a time; the last batch may be smaller."""
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


def images_per_group(shape: tuple[int, int, int]) -> int:
    """Return how many images of a shape are read and written at a time."""
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
