"""Shuffle a stream of images through a buffer.

It can go on in another process where it stopped. Memory holds one group of the set and the buffer. The state is the
numbers of the buffer's images, not their pixels: only the groups that have them are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from kfp_azureml.imagesets.image_set import Batch


@dataclass(frozen=True)
class ImageStream:
    """Groups of images, one after the other, or a part of these images.

    Attributes:
        read: Reads a group by its index.
        groups: Indices of the groups, in order.
        sizes: Number of images of each of them, as `read` returns them.
        part: Positions of this stream's images among those of all groups.
    """

    read: Callable[[int], Batch]
    groups: Sequence[int]
    sizes: Sequence[int]
    part: range

    def __len__(self) -> int:
        return len(self.part)

    def pieces(self, first: int = 0) -> Iterator[Batch]:
        """Yield the images from the stream's image `first` on, in pieces of a group."""
        start = self.part.start + first
        for group, begin, size in zip(self.groups, accumulate(self.sizes, initial=0), self.sizes, strict=False):
            rows = slice(max(start - begin, 0), min(self.part.stop - begin, size))
            if rows.start < rows.stop:
                batch = self.read(group)
                yield Batch(batch.images[rows], batch.labels[rows])

    def take(self, numbers: NDArray[np.int64]) -> Batch:
        """Return the images of the given numbers, counted in this stream, in that order."""
        positions = numbers + self.part.start
        begins = np.fromiter(accumulate(self.sizes, initial=0), np.int64)
        holders = np.searchsorted(begins, positions, side="right") - 1
        images = labels = None
        for holder in np.unique(holders):
            batch, wanted = self.read(self.groups[holder]), holders == holder
            if images is None or labels is None:
                images = np.empty((len(numbers), *batch.images.shape[1:]), batch.images.dtype)
                labels = np.empty(len(numbers), batch.labels.dtype)
            rows = positions[wanted] - begins[holder]
            images[wanted], labels[wanted] = batch.images[rows], batch.labels[rows]
        assert images is not None  # noqa: S101 - nobody takes no images
        assert labels is not None  # noqa: S101
        return Batch(images, labels)


class ShuffledBatches:
    """Writable batches of a stream's images, drawn from a buffer.

    Whenever the buffer is full, a random batch is drawn from it. A buffer as large as the stream shuffles it fully.
    """

    def __init__(
        self,
        stream: ImageStream,
        batch_size: int,
        capacity: int,
        rng: np.random.Generator,
        state: NDArray[np.int64] | None = None,
    ) -> None:
        """Shuffle a stream.

        Args:
            stream: The images.
            batch_size: Batch size. An incomplete last batch is dropped, unless it is the only one.
            capacity: Size of the buffer in images; at least `batch_size`, or the size of the whole stream.
            rng: Draws the order.
            state: Where to go on; see `state`. None starts at the beginning.
        """
        self._stream, self._batch_size, self._rng = stream, batch_size, rng
        self._capacity = capacity
        # Of the images in the buffer: their numbers in the stream, and, once all are read, the places of those left.
        self._numbers = np.empty(capacity, np.int64)
        self._left: NDArray[np.int64] | None = None
        self._filled = self._read = self._yielded = 0
        self._held: Batch | None = None
        if state is not None:
            self._restore(state)

    def state(self) -> NDArray[np.int64]:
        """Return the state after the last batch, without the generator's own.

        It has at most `capacity` + 3 numbers.
        """
        held = self._numbers[: self._filled] if self._left is None else self._numbers[self._left]
        return np.concatenate([[self._left is not None, self._read, self._yielded], held]).astype(np.int64)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches that are left."""
        if self._left is None:
            yield from self._while_reading()
            self._left = self._rng.permutation(self._filled)
        while len(self._left) and self._held is not None:
            chosen, self._left = self._left[: self._batch_size], self._left[self._batch_size :]
            if len(chosen) == self._batch_size or not self._yielded:
                self._yielded += 1
                yield Batch(self._held.images[chosen], self._held.labels[chosen])

    def _while_reading(self) -> Iterator[Batch]:
        for piece in self._stream.pieces(self._read):
            if self._held is None:
                self._held = self._empty_buffer(piece)
            images, labels, numbers = self._held.images, self._held.labels, self._numbers
            taken = 0
            while taken < len(piece):
                if self._filled == self._capacity:
                    chosen = self._rng.choice(self._filled, self._batch_size, replace=False)
                    batch = Batch(images[chosen], labels[chosen])
                    # Fill the holes with the buffer's last images.
                    self._filled -= self._batch_size
                    holes = chosen[chosen < self._filled]
                    movers = np.setdiff1d(np.arange(self._filled, self._filled + self._batch_size), chosen)
                    images[holes], labels[holes], numbers[holes] = images[movers], labels[movers], numbers[movers]
                    self._yielded += 1
                    yield batch
                count = min(self._capacity - self._filled, len(piece) - taken)
                places, rows = slice(self._filled, self._filled + count), slice(taken, taken + count)
                images[places], labels[places] = piece.images[rows], piece.labels[rows]
                numbers[places] = np.arange(self._read, self._read + count)
                self._filled, self._read, taken = self._filled + count, self._read + count, taken + count

    def _restore(self, state: NDArray[np.int64]) -> None:
        is_read, self._read, self._yielded = (int(value) for value in state[:3])
        numbers = state[3:]
        self._filled = len(numbers)
        self._numbers[: self._filled] = numbers
        if is_read:
            self._left = np.arange(self._filled)
        if self._filled:
            held = self._stream.take(numbers)
            self._held = self._empty_buffer(held)
            self._held.images[: self._filled], self._held.labels[: self._filled] = held.images, held.labels

    def _empty_buffer(self, piece: Batch) -> Batch:
        shape = (self._capacity, *piece.images.shape[1:])
        return Batch(np.empty(shape, np.uint8), np.empty(self._capacity, piece.labels.dtype))
