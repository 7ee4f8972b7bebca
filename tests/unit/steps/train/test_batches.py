"""Split and shuffle: exact, reproducible, in bounded memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kfp_azureml.imagesets.image_set import Batch, ImageSet, ImageSetInfo
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.steps.train import batches
from kfp_azureml.steps.train.batches import Split, shuffle


def stream(count: int, piece: int, consumed: list[int] | None = None) -> Iterator[Batch]:
    """Yield pieces of images whose pixel and label are their index."""
    numbers = np.arange(count, dtype=np.uint8)
    for start in range(0, count, piece):
        part = numbers[start : start + piece]
        if consumed is not None:
            consumed.append(len(part))
        yield Batch(part.reshape(-1, 1, 1, 1), part)


def in_memory(images: NDArray[np.uint8], labels: NDArray[np.uint8], group: int) -> ImageSet:
    def read_group(index: int) -> Batch:
        return Batch(images[index * group :][:group], labels[index * group :][:group])

    sizes = tuple(len(images[start:][:group]) for start in range(0, len(images), group))
    classes = tuple(map(str, range(int(labels.max()) + 1)))
    return ImageSet(ImageSetInfo(len(images), images.shape[1:], classes), sizes, read_group, lambda: labels)


def pixels(parts: Iterator[Batch]) -> list[bytes]:
    return [image.tobytes() for part in parts for image in part.images]


@pytest.mark.parametrize("capacity", [10, 11, 37, 199, 200])
@pytest.mark.parametrize("piece", [1, 7, 64, 200])
def test_shuffling_yields_every_image_once_with_its_label(capacity: int, piece: int) -> None:
    shuffled = list(shuffle(stream(200, piece), 10, capacity, np.random.default_rng(1)))
    assert [len(batch) for batch in shuffled] == [10] * 20
    labels = np.concatenate([batch.labels for batch in shuffled])
    assert sorted(labels) == list(range(200))
    assert (np.concatenate([batch.images for batch in shuffled]).ravel() == labels).all()
    if capacity > 10:
        assert list(labels) != list(range(200))


@pytest.mark.parametrize("capacity", [10, 40, 150])
def test_the_shuffle_buffer_never_exceeds_its_capacity(capacity: int) -> None:
    consumed: list[int] = []
    yielded = 0
    for batch in shuffle(stream(200, 5, consumed), 10, capacity, np.random.default_rng(1)):
        # Read but not yielded: the buffer and the current piece.
        assert sum(consumed) - yielded <= capacity + 5
        yielded += len(batch)


def test_the_buffer_is_bounded_in_bytes(numbered_set: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    capacities = []

    def spy(pieces: Iterator[Batch], batch_size: int, capacity: int, rng: np.random.Generator) -> Iterator[Batch]:
        capacities.append(capacity)
        return shuffle(pieces, batch_size, capacity, rng)

    monkeypatch.setattr(batches, "shuffle", spy)
    monkeypatch.setattr(batches, "BUFFER_BYTES", 100 * 8 * 8)
    for _ in Split(numbered_set, 0.0, 1).training_batches(32, np.random.default_rng(1)):
        pass
    assert capacities == [100]


def test_an_incomplete_batch_is_dropped_unless_it_is_the_only_one() -> None:
    rng = np.random.default_rng(1)
    assert [len(batch) for batch in shuffle(stream(25, 4), 10, 15, rng)] == [10, 10]
    assert [len(batch) for batch in shuffle(stream(7, 4), 10, 7, rng)] == [7]


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.1, 0.333, 0.999])
def test_the_split_is_complete_and_close_to_its_fraction(numbered_set: ImageSet, fraction: float) -> None:
    split = Split(numbered_set, fraction, seed=3)
    assert abs(split.validation_count - 1000 * fraction) < 45  # three standard deviations
    validation = pixels(split.validation_batches(16))
    training = pixels(split.training_batches(1, np.random.default_rng(1)))
    assert (len(validation), len(training)) == (split.validation_count, split.training_count)
    assert len(set(validation + training)) == 1000


def test_added_images_move_no_other_and_copies_stay_together(make_set: Callable[..., Path]) -> None:
    fewer = open_image_set(make_set(300))
    images, labels = (
        np.concatenate(parts)
        for parts in zip(*((part.images, part.labels) for part in fewer.batches(300)), strict=True)
    )
    rng = np.random.default_rng(1)
    order = rng.permutation(600)
    added = rng.integers(0, 256, (200, 8, 8, 1), np.uint8)
    more = in_memory(
        np.concatenate([images, images[:100], added])[order],
        np.concatenate([labels, labels[:100], rng.integers(0, 2, 200, np.uint8)])[order],
        group=70,
    )
    before, after = ({*pixels(Split(one, 0.2, 1).validation_batches(64))} for one in (fewer, more))
    training = {*pixels(Split(more, 0.2, 1).training_batches(1, rng))}
    assert before == after & {image.tobytes() for image in images}
    assert not after & training


@pytest.mark.parametrize("seed", range(20))
def test_a_class_that_is_large_enough_has_a_validation_image(seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (33, 4, 4, 1), np.uint8)
    labels = np.repeat(np.array([0, 1, 2], np.uint8), (10, 20, 3))
    split = Split(in_memory(images, labels, group=7), 0.1, seed)
    held = np.concatenate([batch.labels for batch in split.validation_batches(8)])
    assert {0, 1} <= set(held)
    assert (split.training_counts() == np.bincount(labels) - np.bincount(held, minlength=3)).all()


def test_the_split_depends_on_its_seed_only(numbered_set: ImageSet) -> None:
    first, again, other = (pixels(Split(numbered_set, 0.1, seed).validation_batches(16)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_each_epoch_is_shuffled_again_and_has_count_batches_batches(numbered_set: ImageSet) -> None:
    split = Split(numbered_set, 0.1, seed=1)
    rng = np.random.default_rng(1)
    epochs = [list(split.training_batches(64, rng)) for _ in range(2)]
    assert [len(epoch) for epoch in epochs] == [split.count_batches(64)] * 2
    assert pixels(iter(epochs[0])) != pixels(iter(epochs[1]))
    assert Split(numbered_set, 0.1, seed=1).count_batches(5000) == 1


def test_validation_batches_are_at_most_batch_size(numbered_set: ImageSet) -> None:
    sizes = [len(batch) for batch in Split(numbered_set, 0.5, seed=1).validation_batches(10)]
    assert max(sizes) == 10
    assert min(sizes) > 0
