"""Data augmentation."""

import numpy as np
import pytest

from kfp_azureml.steps.train.augmentation import flip_half, shift


def test_half_of_the_images_are_flipped_horizontally() -> None:
    images = np.zeros((1000, 2, 3, 1), np.uint8)
    images[:, 0, 0] = 1
    flip_half(images, np.random.default_rng(1))
    assert (images[:, 0, 0] + images[:, 0, 2] == 1).all()
    assert images.sum() == 1000
    assert 400 < images[:, 0, 2].sum() < 600


def test_each_image_is_shifted_by_its_own_offset_and_every_offset_occurs() -> None:
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
def test_shifted_images_are_padded_with_black(seed: int) -> None:
    image = np.arange(1, 13, dtype=np.uint8).reshape(1, 3, 4, 1)
    moved = shift(image, 1, np.random.default_rng(seed))[0, :, :, 0]
    padded = np.pad(image[0, :, :, 0], 1)
    assert any((moved == padded[row : row + 3, column : column + 4]).all() for row in range(3) for column in range(3))


def test_shifting_does_not_change_its_input() -> None:
    images = np.full((50, 4, 4, 1), 9, np.uint8)
    shift(images, 1, np.random.default_rng(1))
    assert (images == 9).all()
