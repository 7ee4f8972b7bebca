"""Shuffling: exact, reproducible, in bounded memory, and going on where it stopped."""

from collections.abc import Iterable
from itertools import chain, islice

import numpy as np
import pytest

from kfp_azureml.imagesets.image_set import Batch
from kfp_azureml.steps.train.shuffle import ImageStream, ShuffledBatches


def stream(count: int, piece: int, consumed: list[int] | None = None, part: range | None = None) -> ImageStream:
    """Return a stream of images whose pixel and label are their index."""
    numbers = np.arange(count, dtype=np.uint8)

    def read(group: int) -> Batch:
        held = numbers[group * piece :][:piece]
        if consumed is not None:
            consumed.append(len(held))
        return Batch(held.reshape(-1, 1, 1, 1), held)

    groups = range(-(-count // piece))
    sizes = [len(numbers[group * piece :][:piece]) for group in groups]
    return ImageStream(read, groups, sizes, range(count) if part is None else part)


def labels(batches: Iterable[Batch]) -> list[list[int]]:
    return [batch.labels.tolist() for batch in batches]


@pytest.mark.parametrize("capacity", [10, 11, 37, 199, 200])
@pytest.mark.parametrize("piece", [1, 7, 64, 200])
def test_shuffling_yields_every_image_once_with_its_label(capacity: int, piece: int) -> None:
    shuffled = list(ShuffledBatches(stream(200, piece), 10, capacity, np.random.default_rng(1)))
    assert [len(batch) for batch in shuffled] == [10] * 20
    drawn = np.concatenate([batch.labels for batch in shuffled])
    assert sorted(drawn) == list(range(200))
    assert (np.concatenate([batch.images for batch in shuffled]).ravel() == drawn).all()
    if capacity > 10:
        assert list(drawn) != list(range(200))


@pytest.mark.parametrize("capacity", [10, 40, 150])
def test_the_shuffle_buffer_never_exceeds_its_capacity(capacity: int) -> None:
    consumed: list[int] = []
    yielded = 0
    for batch in ShuffledBatches(stream(200, 5, consumed), 10, capacity, np.random.default_rng(1)):
        # Read but not yielded: the buffer and the current piece.
        assert sum(consumed) - yielded <= capacity + 5
        yielded += len(batch)


def test_an_incomplete_batch_is_dropped_unless_it_is_the_only_one() -> None:
    rng = np.random.default_rng(1)
    assert [len(batch) for batch in ShuffledBatches(stream(25, 4), 10, 15, rng)] == [10, 10]
    assert [len(batch) for batch in ShuffledBatches(stream(7, 4), 10, 7, rng)] == [7]
    assert list(ShuffledBatches(stream(0, 4), 10, 0, rng)) == []


@pytest.mark.parametrize("part", [range(60, 60), range(3), range(50, 137), range(199, 200), range(200)])
def test_a_part_has_its_images_only(part: range) -> None:
    consumed: list[int] = []
    shuffled = ShuffledBatches(stream(200, 16, consumed, part), 1, max(1, len(part)), np.random.default_rng(1))
    assert sorted(chain.from_iterable(labels(shuffled))) == list(part)
    assert len(consumed) <= len(part) // 16 + 2


@pytest.mark.parametrize("capacity", [10, 60, 200])
@pytest.mark.parametrize("part", [range(200), range(30, 171)])
def test_it_goes_on_where_it_stopped(capacity: int, part: range) -> None:
    capacity = min(capacity, len(part))
    rng = np.random.default_rng(1)
    whole = labels(ShuffledBatches(stream(200, 16, part=part), 10, capacity, rng))
    last = rng.bit_generator.state
    for stop in range(1, len(whole) + 1):
        rng = np.random.default_rng(1)
        begun = ShuffledBatches(stream(200, 16, part=part), 10, capacity, rng)
        first = labels(islice(begun, stop))
        again = ShuffledBatches(stream(200, 16, part=part), 10, capacity, rng, begun.state())
        assert first + labels(again) == whole
        assert rng.bit_generator.state == last


def test_going_on_reads_only_groups_with_images_of_the_buffer() -> None:
    rng, consumed = np.random.default_rng(1), list[int]()
    begun = ShuffledBatches(stream(250, 5), 10, 20, rng)
    assert len(labels(islice(begun, 20))) == 20
    ShuffledBatches(stream(250, 5, consumed), 10, 20, rng, begun.state())
    assert len(consumed) <= 10  # the buffer holds ten images
