"""Small image sets to train on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kfp_azureml.imagesets.image_set import ImageSet
from kfp_azureml.imagesets.parquet import write_parquet
from kfp_azureml.imagesets.reader import open_image_set

CLASSES = ("dark", "<bright>")


@pytest.fixture(scope="session")
def make_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes noisy images; class 1 is brighter than class 0."""

    def make(
        count: int = 300, shape: tuple[int, int, int] = (8, 8, 1), group: int = 64, labels: list[int] | None = None
    ) -> Path:
        rng = np.random.default_rng(count)
        all_labels = rng.integers(0, 2, count) if labels is None else np.array(labels)
        images = rng.integers(0, 128, (count, *shape)) + 100 * all_labels[:, None, None, None]
        folder = tmp_path_factory.mktemp("images")
        chunks = (
            (
                images[start : start + group].astype(np.uint8).tobytes(),
                all_labels[start : start + group].astype(np.uint8).tobytes(),
            )
            for start in range(0, count, group)
        )
        write_parquet(folder / "images.parquet", shape, CLASSES, chunks)
        return folder

    return make


@pytest.fixture(scope="session")
def numbered_set(make_set: Callable[..., Path]) -> ImageSet:
    """Return a set of 1,000 distinct images in groups of 64."""
    return open_image_set(make_set(1000))
