"""Augmentation: other images of the same."""

import numpy as np
import pytest

from kfp_azureml.steps.train.augmentation import flip_half, shift


def test_half_of_the_images_are_mirrored_left_to_right() -> None:
    images = np.zeros((1000, 2, 3, 1), np.uint8)
    images[:, 0, 0] = 1
    flip_half(images, np.random.default_rng(1))
    assert (images[:, 0, 0] + images[:, 0, 2] == 1).all()
    assert images.sum() == 1000
    assert 400 < images[:, 0, 2].sum() < 600


def test_images_are_moved_each_by_its_own_way_and_every_way_occurs() -> None:
    images = np.zeros((1000, 5, 7, 3), np.uint8)
    images[:, 2, 3] = (1, 2, 3)
    moved = shift(images, 2, np.random.default_rng(1))
    assert (moved.dtype, moved.shape) == (np.uint8, images.shape)
    assert (moved.sum(axis=(1, 2)) == (1, 2, 3)).all()
    rows, columns = np.nonzero(moved[..., 0])[1:]
    ways, counts = np.unique(np.stack([rows - 2, columns - 3]), axis=1, return_counts=True)
    assert {tuple(way) for way in ways.T} == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}
    assert counts.min() > 15  # 40 on average


@pytest.mark.parametrize("seed", range(20))
def test_what_a_moved_image_loses_is_black_on_the_other_side(seed: int) -> None:
    image = np.arange(1, 13, dtype=np.uint8).reshape(1, 3, 4, 1)
    moved = shift(image, 1, np.random.default_rng(seed))[0, :, :, 0]
    padded = np.pad(image[0, :, :, 0], 1)
    assert any((moved == padded[row : row + 3, column : column + 4]).all() for row in range(3) for column in range(3))


def test_the_images_that_are_moved_stay_as_they_are() -> None:
    images = np.full((50, 4, 4, 1), 9, np.uint8)
    shift(images, 1, np.random.default_rng(1))
    assert (images == 9).all()
