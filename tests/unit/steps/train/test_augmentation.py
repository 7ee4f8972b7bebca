"""Data augmentation."""

import numpy as np
import pytest

from kfp_azureml.steps.train.augmentation import KINDS, augment, change_colour, crop, flip_half, shift


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


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_changes_images_alone_and_reproducibly(kind: str, channels: int) -> None:
    images = np.random.default_rng(3).integers(0, 256, (6, 30, 20, channels), np.uint8)
    first, again = (augment(images.copy(), [kind], np.random.default_rng(1)) for _ in range(2))
    assert (first.dtype, first.shape) == (np.uint8, images.shape)
    assert (first == again).all()
    assert (first != images).any()
    assert (augment(images.copy(), [], np.random.default_rng(1)) == images).all()


def test_larger_images_are_shifted_further() -> None:
    images = np.zeros((200, 84, 84, 1), np.uint8)
    images[:, 40, 40] = 1
    rows = np.nonzero(augment(images, ["shifts"], np.random.default_rng(1)))[1]
    assert (rows.min(), rows.max()) == (37, 43)


def test_a_crop_is_half_of_the_image_or_more() -> None:
    # The value of a pixel is its column: from first to last column, the crop's width.
    columns = np.tile(np.arange(100, dtype=np.uint8), (50, 80, 1))[..., None]
    cut = crop(columns, np.random.default_rng(1)).astype(int)
    widths = cut[:, 40, -1, 0] - cut[:, 40, 0, 0]
    assert 55 < widths.min() < widths.max() <= 99
    assert (np.diff(cut, axis=2) >= 0).all()


def test_colour_keeps_grey_grey_and_changes_brightness_by_a_fifth() -> None:
    grey = np.full((300, 4, 4, 3), 100, np.uint8)
    changed = change_colour(grey, np.random.default_rng(1))
    assert (changed == changed[..., :1]).all()
    assert (changed.min(), changed.max()) == (80, 120)
