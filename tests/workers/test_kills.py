"""A training that is killed again and again, at any moment, ends as if it never was."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest

from fashion_slice import write_fashion_slice
from step_calls import prep_data
from training import WAIT_SECONDS, finished, training

KILLS = 8
SETTINGS = {"epochs": 6, "batch_size": 32}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    prep_data(str(write_fashion_slice(folder)), folder / "train", folder / "test")
    return folder / "train"


@pytest.mark.parametrize("every", [1, 7, 0])
def test_killed_at_random_moments(data: Path, tmp_path: Path, every: int) -> None:
    rng = random.Random(every)  # noqa: S311 - moments
    given = SETTINGS | {"every": every, "checkpoint": str(tmp_path / "state")}
    kills = 0
    while kills < KILLS:
        known = set((tmp_path / "state").glob("*"))
        with training(data, tmp_path / "killed", given) as child:
            limit = time.monotonic() + WAIT_SECONDS
            # Progress between two kills, so that it ends; then any moment: in a step, while writing, at the end.
            while child.poll() is None and set((tmp_path / "state").glob("*")) <= known:
                assert time.monotonic() < limit
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 1))
            if child.poll() is not None:
                break
        kills += 1
    assert kills
    resumed = finished(data, tmp_path / "killed", given)
    never = finished(data, tmp_path / "never", SETTINGS)
    for name in set(never) - {"seconds"}:
        np.testing.assert_array_equal(resumed[name], never[name])
    assert len(list((tmp_path / "state").glob("*.npz"))) == 2
