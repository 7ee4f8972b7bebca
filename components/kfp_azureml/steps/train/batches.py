"""Split an image set and shuffle it into batches, in bounded memory.

Memory holds one group of the set and the shuffle buffer, whatever the size of the set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from math import prod

import numpy as np
from numpy.typing import NDArray

from kfp_azureml.imagesets.image_set import Batch, ImageSet

BUFFER_BYTES = 64 << 20
"""Maximum size of the shuffle buffer; all of Fashion-MNIST (47 MB) fits, and is shuffled fully."""


@dataclass(frozen=True)
class Split:
    """A split of an image set into training and validation images.

    An image's side depends on its own pixels only, so that images that are added later move no other, and copies of an
    image are on the same side. A class of at least 1 / fraction images has one for validation.

    Attributes:
        images: The whole set.
        fraction: Share of validation images, from 0 to less than 1, in expectation.
        seed: Random seed; another seed gives another split.
    """

    images: ImageSet
    fraction: float
    seed: int

    @cached_property
    def validation_count(self) -> int:
        """Number of validation images."""
        return int(sum(np.count_nonzero(rows) for rows in self._validation_rows))

    @property
    def training_count(self) -> int:
        """Number of training images."""
        return self.images.info.count - self.validation_count

    def training_counts(self) -> NDArray[np.int64]:
        """Return the number of training images of each class, (classes,)."""
        validation = np.concatenate(self._validation_rows)
        return np.bincount(self.images.read_labels()[~validation], minlength=len(self.images.info.classes))

    def training_batches(self, batch_size: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield one epoch's batches, `count_batches` of them, shuffled.

        An incomplete last batch is dropped, unless it is the only one. The dropped images differ between epochs.
        """
        groups = rng.permutation(len(self.images.group_sizes))
        pieces = (self._select(int(group), validation=False) for group in groups)
        capacity = max(batch_size, BUFFER_BYTES // prod(self.images.info.shape))
        return shuffle(pieces, batch_size, min(capacity, self.training_count), rng)

    def count_batches(self, batch_size: int) -> int:
        """Return the number of batches in an epoch."""
        return max(1, self.training_count // batch_size)

    def validation_batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield the validation images in order, in batches of at most `batch_size` from one group."""
        for group in range(len(self.images.group_sizes)):
            if self._validation_rows[group].any():
                held = self._select(group, validation=True)
                for start in range(0, len(held), batch_size):
                    yield Batch(held.images[start : start + batch_size], held.labels[start : start + batch_size])

    def _select(self, group: int, *, validation: bool) -> Batch:
        rows = self._validation_rows[group] == validation
        batch = self.images.read_group(group)
        return Batch(batch.images[rows], batch.labels[rows])

    @cached_property
    def _validation_rows(self) -> tuple[NDArray[np.bool_], ...]:
        """Mask of the validation images of each group."""
        sizes = self.images.group_sizes
        if not self.fraction:
            return tuple(np.zeros(size, bool) for size in sizes)
        key = self.seed.to_bytes(8)
        groups = (self.images.read_group(group).images for group in range(len(sizes)))
        positions = np.concatenate([_positions(images, key) for images in groups])
        labels = self.images.read_labels()
        first = np.ones(len(self.images.info.classes))
        np.minimum.at(first, labels, positions)
        needs_one = np.bincount(labels, minlength=len(first)) * self.fraction >= 1
        held = (positions < self.fraction) | needs_one[labels] & (positions == first[labels])
        return tuple(np.split(held, np.cumsum(sizes)[:-1]))


def _positions(images: NDArray[np.uint8], key: bytes) -> NDArray[np.float64]:
    """Return a number from 0 to less than 1 for each image, which depends on its pixels and the key only."""
    digests = b"".join(blake2b(image.data, digest_size=8, key=key).digest() for image in images)
    # 53 bits, so that no position is rounded to 1.
    return (np.frombuffer(digests, "<u8") >> np.uint64(11)) / 2.0**53


def shuffle(pieces: Iterable[Batch], batch_size: int, capacity: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Shuffle a stream of images through a buffer of `capacity` images.

    Whenever the buffer is full, a random batch is drawn from it. A buffer as large as the stream shuffles it fully.

    Args:
        pieces: The stream, in pieces of any size.
        batch_size: Batch size. An incomplete last batch is dropped, unless it is the only one.
        capacity: Size of the buffer in images; at least `batch_size`, or the size of the whole stream.
        rng: Draws the order.

    Yields:
        Writable batches.
    """
    images: NDArray[np.uint8] | None = None
    labels: NDArray[np.uint8] | NDArray[np.uint16] | None = None
    filled = yielded = 0
    for piece in pieces:
        if images is None or labels is None:
            images = np.empty((capacity, *piece.images.shape[1:]), np.uint8)
            labels = np.empty(capacity, piece.labels.dtype)
        taken = 0
        while taken < len(piece):
            if filled == capacity:
                chosen = rng.choice(filled, batch_size, replace=False)
                yield Batch(images[chosen], labels[chosen])
                yielded += 1
                # Fill the holes with the buffer's last images.
                filled -= batch_size
                holes = chosen[chosen < filled]
                movers = np.setdiff1d(np.arange(filled, filled + batch_size), chosen)
                images[holes], labels[holes] = images[movers], labels[movers]
            count = min(capacity - filled, len(piece) - taken)
            images[filled : filled + count] = piece.images[taken : taken + count]
            labels[filled : filled + count] = piece.labels[taken : taken + count]
            filled, taken = filled + count, taken + count
    if images is None or labels is None:
        return
    order = rng.permutation(filled)
    for start in range(0, filled, batch_size):
        chosen = order[start : start + batch_size]
        if len(chosen) == batch_size or not yielded:
            yield Batch(images[chosen], labels[chosen])
            yielded += 1
