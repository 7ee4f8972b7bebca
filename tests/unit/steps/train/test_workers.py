"""Two workers do what one does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kfp_azureml.local.worker_group import run_workers
from training import command, finished, read


def test_two_workers_have_the_weights_of_one(make_set: Callable[..., Path], tmp_path: Path) -> None:
    """After ten steps, without augmentation and batch normalization."""
    data = make_set(700, (12, 12, 1))
    settings = {"epochs": 2, "batch_size": 120, "exact": True}
    alone = finished(data, tmp_path / "alone", settings)
    assert run_workers(2, command(data, tmp_path / "two", settings), os.environ) == 0
    first, second = (read(tmp_path / "two", rank) for rank in range(2))
    for name in set(alone) - {"seconds"}:
        np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_allclose(first[name], alone[name], atol=1e-5)
