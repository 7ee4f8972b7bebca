"""A worker is killed or frozen: all end, start again, and have the same weights as if nothing had happened."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from kfp_azureml.local.worker_group import run_workers
from kfp_azureml.runtime.errors import CancelledError
from step_calls import prep_data
from training import command, read

SETTINGS = {"epochs": 4, "batch_size": 64}


@pytest.fixture(scope="module")
def data(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    prep_data(str(images), folder / "train", folder / "test")
    return folder / "train"


@pytest.fixture(scope="module")
def never(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights = tmp_path_factory.mktemp("never") / "weights"
    given = SETTINGS | {"checkpoint": str(weights.with_name("state")), "every": 9}
    assert run_workers(2, command(data, weights, given), os.environ) == 0
    return weights


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("rank", [0, 1])
def test_the_weights_are_those_of_a_training_without_a_loss(
    data: Path, never: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], rank: int, number: signal.Signals
) -> None:
    death = [rank, 2, number, str(tmp_path / "died")]
    given = SETTINGS | {"checkpoint": str(tmp_path / "state"), "every": 9, "die": death}
    assert run_workers(2, command(data, tmp_path / "weights", given), os.environ) == 0
    assert "starting all 2 again" in capfd.readouterr().out
    first, second, expected = read(tmp_path / "weights", 0), read(tmp_path / "weights", 1), read(never, 0)
    for name in set(expected) - {"seconds"}:
        np.testing.assert_array_equal(first[name], second[name])
        np.testing.assert_array_equal(first[name], expected[name])


def test_a_worker_ends_when_it_is_told_to(data: Path, tmp_path: Path) -> None:
    """TensorFlow replaces the handler of SIGTERM by one that does not."""
    given = SETTINGS | {"die": [1, 2, signal.SIGTERM, str(tmp_path / "told")]}
    assert run_workers(2, command(data, tmp_path / "weights", given), os.environ) == CancelledError.exit_code
    assert not list(tmp_path.glob("weights*"))
