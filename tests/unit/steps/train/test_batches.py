"""Split and batches: exact, reproducible, in bounded memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kfp_azureml.imagesets.image_set import Batch, ImageSet, ImageSetInfo
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.steps.train import batches
from kfp_azureml.steps.train.batches import Split
from kfp_azureml.steps.train.collectives import Workers


def in_memory(images: NDArray[np.uint8], labels: NDArray[np.uint8], group: int) -> ImageSet:
    def read_group(index: int) -> Batch:
        return Batch(images[index * group :][:group], labels[index * group :][:group])

    sizes = tuple(len(images[start:][:group]) for start in range(0, len(images), group))
    classes = tuple(map(str, range(int(labels.max()) + 1)))
    return ImageSet(ImageSetInfo(len(images), images.shape[1:], classes), sizes, read_group, lambda: labels)


def pixels(parts: Iterator[Batch]) -> list[bytes]:
    return [image.tobytes() for part in parts for image in part.images]


def test_the_buffer_is_bounded_in_bytes(numbered_set: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BUFFER_BYTES", 100 * 8 * 8)
    drawn = Split(numbered_set, 0.0, 1).training_batches(32, np.random.default_rng(1))
    next(iter(drawn))
    assert len(drawn.state()) == 3 + 100 - 32


@pytest.mark.parametrize("count", [2, 3, 7])
@pytest.mark.parametrize("fraction", [0.0, 0.2])
def test_workers_share_the_images_and_take_as_many_steps_as_one(
    numbered_set: ImageSet, fraction: float, count: int
) -> None:
    split = Split(numbered_set, fraction, seed=1)
    group = [Workers(rank, count) for rank in range(count)]
    shares = [
        list(split.training_batches(64, np.random.default_rng(workers.rank), np.random.default_rng(5), workers))
        for workers in group
    ]
    steps = split.count_batches(64)
    assert all(len(share) >= steps for share in shares)
    assert {sum(map(len, step)) for step in zip(*(share[:steps] for share in shares), strict=True)} == {64}
    seen = [image for share in shares for image in pixels(iter(share))]
    assert len(set(seen)) == len(seen) > split.training_count - 64 - count
    assert set(seen) <= {image.tobytes() for batch in numbered_set.batches(100) for image in batch.images}


def test_workers_share_the_validation_images(numbered_set: ImageSet) -> None:
    split = Split(numbered_set, 0.2, seed=1)
    shares = [pixels(split.validation_batches(16, Workers(rank, 3))) for rank in range(3)]
    assert sorted(image for share in shares for image in share) == sorted(pixels(split.validation_batches(16)))
    assert all(shares)


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
