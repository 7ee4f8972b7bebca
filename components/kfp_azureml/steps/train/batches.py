"""From an image set to training and validation batches, in bounded memory.

The split and the shuffling work on the set's groups as they are read: what is held is one group and the shuffle
buffer, however large the set is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import prod

import numpy as np
from numpy.typing import NDArray

from kfp_azureml.imagesets.image_set import Batch, ImageSet

BUFFER_BYTES = 64 << 20
"""Pixels the shuffle buffer may hold: all of Fashion-MNIST (47 MB), so that a set of its size is shuffled fully."""


@dataclass(frozen=True)
class Split:
    """An image set, split at random into training and validation images; the same seed gives the same split.

    Attributes:
        images: The whole set.
        fraction: The share of validation images, from 0 to less than 1. Each group gives its share, so the split needs
            no list of all images.
        seed: Of the split.
    """

    images: ImageSet
    fraction: float
    seed: int

    @property
    def validation_count(self) -> int:
        """How many images are for validation."""
        return int(self.images.info.count * self.fraction)

    @property
    def training_count(self) -> int:
        """How many images are for training."""
        return self.images.info.count - self.validation_count

    def training_batches(self, batch_size: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield one epoch's batches, `count_batches` of them, in an order drawn from `rng`.

        All have `batch_size` images, for networks train best on batches of one size. The images that are left over,
        others in each epoch, are dropped. Only a set smaller than a batch is one smaller batch.
        """
        groups = rng.permutation(len(self.images.group_sizes))
        pieces = (self._select(int(group), validation=False) for group in groups)
        pool = max(batch_size, BUFFER_BYTES // prod(self.images.info.shape))
        return shuffle(pieces, batch_size, min(pool, self.training_count), rng)

    def count_batches(self, batch_size: int) -> int:
        """Return how many batches an epoch has."""
        return max(1, self.training_count // batch_size)

    def validation_batches(self, batch_size: int) -> Iterator[Batch]:
        """Yield the validation images in order, at most `batch_size` at a time and never from two groups."""
        for group in range(len(self.images.group_sizes)):
            if self._validation_rows(group).any():
                held = self._select(group, validation=True)
                for start in range(0, len(held), batch_size):
                    yield Batch(held.images[start : start + batch_size], held.labels[start : start + batch_size])

    def _select(self, group: int, *, validation: bool) -> Batch:
        rows = self._validation_rows(group) == validation
        batch = self.images.read_group(group)
        return Batch(batch.images[rows], batch.labels[rows])

    def _validation_rows(self, group: int) -> NDArray[np.bool_]:
        size = self.images.group_sizes[group]
        # The share of all images up to the group's end, less that up to its start: exact over the set.
        start = self._group_starts[group]
        count = int((start + size) * self.fraction) - int(start * self.fraction)
        rows = np.zeros(size, bool)
        rows[np.random.default_rng((self.seed, group)).choice(size, count, replace=False)] = True
        return rows

    @cached_property
    def _group_starts(self) -> tuple[int, ...]:
        return tuple(accumulate(self.images.group_sizes, initial=0))


def shuffle(pieces: Iterable[Batch], batch_size: int, capacity: int, rng: np.random.Generator) -> Iterator[Batch]:
    """Shuffle a stream of images through a pool that never holds more than `capacity` of them.

    Whenever the pool is full a batch is drawn from it at random, which makes room for the next images. A pool as large
    as the stream shuffles it fully.

    Args:
        pieces: The stream, some images at a time.
        batch_size: How many images to yield at a time. Fewer at the end are dropped, unless there is no other batch.
        capacity: The pool's size; at least `batch_size`, or the size of the whole stream.
        rng: Draws the order.

    Yields:
        Batches of copies, which may be written to.
    """
    images: NDArray[np.uint8] | None = None
    labels = np.empty(capacity, np.uint8)
    filled = yielded = 0
    for piece in pieces:
        if images is None:
            images = np.empty((capacity, *piece.images.shape[1:]), np.uint8)
        taken = 0
        while taken < len(piece):
            if filled == capacity:
                chosen = rng.choice(filled, batch_size, replace=False)
                yield Batch(images[chosen], labels[chosen])
                yielded += 1
                # Fill the holes with the pool's last images.
                filled -= batch_size
                holes = chosen[chosen < filled]
                movers = np.setdiff1d(np.arange(filled, filled + batch_size), chosen)
                images[holes], labels[holes] = images[movers], labels[movers]
            count = min(capacity - filled, len(piece) - taken)
            images[filled : filled + count] = piece.images[taken : taken + count]
            labels[filled : filled + count] = piece.labels[taken : taken + count]
            filled, taken = filled + count, taken + count
    if images is None:
        return
    order = rng.permutation(filled)
    for start in range(0, filled, batch_size):
        chosen = order[start : start + batch_size]
        if len(chosen) == batch_size or not yielded:
            yield Batch(images[chosen], labels[chosen])
            yielded += 1
