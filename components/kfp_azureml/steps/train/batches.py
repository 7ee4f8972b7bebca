"""Split an image set and shuffle it into batches, in bounded memory.

Memory holds one group of the set and the shuffle buffer, whatever the size of the set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from math import prod

import numpy as np
from numpy.typing import NDArray

from kfp_azureml.imagesets.image_set import Batch, ImageSet
from kfp_azureml.steps.train.collectives import Workers
from kfp_azureml.steps.train.shuffle import ImageStream, ShuffledBatches

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

    def training_batches(
        self,
        batch_size: int,
        rng: np.random.Generator,
        common: np.random.Generator | None = None,
        workers: Workers = Workers(),  # noqa: B008 - immutable
        state: NDArray[np.int64] | None = None,
    ) -> ShuffledBatches:
        """Return one epoch's batches, `count_batches` of them or more, shuffled.

        An incomplete last batch is dropped, unless it is the only one. The dropped images differ between epochs. Each
        of several workers gets its part of each batch, from its own part of the images.

        Args:
            batch_size: Batch size, of all workers together.
            rng: Draws the order of the images.
            common: Draws the order of the groups, the same for all workers; None for `rng`.
            workers: The workers.
            state: Where to go on within the epoch; see `ShuffledBatches`.
        """
        groups = (common or rng).permutation(len(self.images.group_sizes)).tolist()
        own = workers.part(batch_size)
        # In proportion to the parts of a batch, so that all workers take the same number of steps.
        first, end = (self.training_count * place // batch_size for place in (own.start, own.stop))
        stream = ImageStream(
            self._training_group, groups, [self._training_sizes[group] for group in groups], range(first, end)
        )
        capacity = max(len(own), BUFFER_BYTES // prod(self.images.info.shape))
        return ShuffledBatches(stream, len(own), min(capacity, len(stream)), rng, state)

    def count_batches(self, batch_size: int) -> int:
        """Return the number of batches in an epoch."""
        return max(1, self.training_count // batch_size)

    def validation_batches(self, batch_size: int, workers: Workers = Workers()) -> Iterator[Batch]:  # noqa: B008
        """Yield the validation images in order, in batches of at most `batch_size` from one group.

        Each of several workers gets those of its own groups.
        """
        for group in range(workers.rank, len(self.images.group_sizes), workers.count):
            if self._validation_rows[group].any():
                held = self._select(group, validation=True)
                for start in range(0, len(held), batch_size):
                    yield Batch(held.images[start : start + batch_size], held.labels[start : start + batch_size])

    def _training_group(self, group: int) -> Batch:
        return self._select(group, validation=False)

    @cached_property
    def _training_sizes(self) -> list[int]:
        return [int(np.count_nonzero(~rows)) for rows in self._validation_rows]

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
