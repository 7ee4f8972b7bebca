"""A training that is killed and goes on ends with the weights of one that never was."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from kfp_azureml.imagesets.image_set import Batch
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.runtime.errors import TrainingError
from kfp_azureml.steps.train import batches, training_loop
from kfp_azureml.steps.train.architectures import ARCHITECTURES, Architecture
from kfp_azureml.steps.train.batches import Split
from kfp_azureml.steps.train.best_epoch import BestEpoch
from kfp_azureml.steps.train.checkpoint import Checkpoints
from kfp_azureml.steps.train.collectives import Workers
from kfp_azureml.steps.train.history import Epoch
from kfp_azureml.steps.train.resuming import Generators, Resuming, generator_words, set_generator
from kfp_azureml.steps.train.shuffle import ShuffledBatches
from step_calls import train_model
from training import finished, training, wait_for_checkpoint

EPOCHS, BATCH = 3, 32
STEPS = 8
"""Steps of an epoch: 270 of 300 images, more or less, are for training."""


NEVER = {"epochs": 20, "batch_size": 32}


class KilledError(Exception):
    pass


def dropout_network(shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Build a network with random layers: their generators are a part of the state."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape, dtype="uint8", name="image"),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def network_with_base(shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Build a network with moving averages in a base that can be frozen."""
    layers = keras.layers
    base = keras.Sequential(
        [layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(), layers.GlobalMaxPooling2D()], name="base"
    )
    head = [layers.Dropout(0.5), layers.Dense(classes, activation="softmax")]
    return keras.Sequential([keras.Input(shape, dtype="uint8", name="image"), layers.Rescaling(1 / 255), base, *head])


LEAN = replace(ARCHITECTURES["lean"], batch_size=BATCH)
WITH_DROPOUT = replace(ARCHITECTURES["original"], build=dropout_network, batch_size=BATCH, augment=("flips",))
WITH_BASE = replace(WITH_DROPOUT, build=network_with_base, augment=("flips", "crops", "colour"))


@pytest.fixture(scope="module")
def split(make_set: Callable[..., Path]) -> Split:
    return Split(open_image_set(make_set()), 0.1, 1)


def fit(
    architecture: Architecture,
    split: Split,
    checkpoints: Checkpoints | None = None,
    every: int = 0,
    **more: Any,
) -> tuple[list[NDArray[Any]], list[Epoch], BestEpoch]:
    """Train as `train_model` does; return the weights, the history and the best epoch."""
    keras.utils.set_random_seed(13)
    model = architecture.build(split.images.info.shape, 2)
    best, generators = BestEpoch(EPOCHS), Generators(13, Workers())
    resuming = Resuming(generators, Workers(), best, checkpoints, every)
    for epoch in training_loop.fit(
        model,
        architecture,
        split,
        epochs=EPOCHS,
        workers=Workers(),
        generators=generators,
        resuming=resuming,
        **({"frozen_epochs": 0, "class_weights": None} | more),
    ):
        best.ends_with(epoch, model)
    return model.get_weights(), [replace(epoch, seconds=0.0) for epoch in resuming.history], best


@pytest.fixture
def die_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that lets training die instead of its next step number N."""
    draw = ShuffledBatches.__iter__

    def set_death(step: int) -> None:
        taken = count()

        def dying(self: ShuffledBatches) -> Iterator[Batch]:
            for batch in draw(self):
                if next(taken) == step:
                    raise KilledError
                yield batch

        monkeypatch.setattr(ShuffledBatches, "__iter__", dying)

    return set_death


@pytest.mark.parametrize(
    ("architecture", "buffer", "deaths", "more"),
    [
        (LEAN, 100 * 64, [11], {}),
        (WITH_DROPOUT, 64 << 20, [0, 5, 2, 9], {}),
        (WITH_DROPOUT, 100 * 64, [5, 6], {}),
        # In the frozen phase, at its end, at the first step of the next phase, and within it.
        (WITH_BASE, 64 << 20, [4, 5, 0, 5], {"frozen_epochs": 1, "class_weights": np.array([0.5, 2], np.float32)}),
    ],
    ids=["lean", "dropout", "small buffer", "frozen"],
)
def test_killed_again_and_again_it_ends_as_if_it_never_was(
    architecture: Architecture,
    buffer: int,
    deaths: list[int],
    more: dict[str, Any],
    split: Split,
    tmp_path: Path,
    die_at: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "BUFFER_BYTES", buffer)
    weights, history, best = fit(architecture, split, **more)
    checkpoints = Checkpoints(str(tmp_path), {})
    for step in deaths:
        die_at(step)
        with pytest.raises(KilledError):
            fit(architecture, split, checkpoints, every=3, **more)
    die_at(1000)
    resumed = fit(architecture, split, checkpoints, every=3, **more)
    for value, other in zip(weights, resumed[0], strict=True):
        np.testing.assert_array_equal(value, other)
    assert resumed[1] == history
    assert replace(resumed[2].epoch, seconds=0.0) == replace(best.epoch, seconds=0.0)
    for value, other in zip(best.weights, resumed[2].weights, strict=True):
        np.testing.assert_array_equal(value, other)


def test_it_goes_on_with_another_number_of_workers(
    split: Split, tmp_path: Path, die_at: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the same step with the same weights, and with other images."""
    die_at(STEPS + 5)
    with pytest.raises(KilledError):
        fit(WITH_DROPOUT, split, Checkpoints(str(tmp_path / "one"), {}), every=4)
    monkeypatch.undo()
    state = Checkpoints(str(tmp_path / "one"), {}).newest()
    assert state is not None
    assert (state.values["epoch"], state.values["step"]) == (2, 4)
    of_two = {name: np.vstack([state.arrays[name]] * 2) for name in ("own", "shuffle")}
    checkpoints = Checkpoints(str(tmp_path / "two"), {})
    checkpoints.write(replace(state, arrays={**state.arrays, **of_two}))
    assert [len(fit(WITH_DROPOUT, split, checkpoints)[1]) for _ in range(2)] == [EPOCHS] * 2
    max((tmp_path / "two").glob("*.npz")).unlink()  # after the last epoch nobody needs the optimizer
    ended = checkpoints.newest()
    assert ended is not None
    assert ended.steps == (EPOCHS - 1) * split.count_batches(BATCH)
    assert len(ended.arrays["own"]) == 1
    assert int(ended.arrays["optimizer 0"]) == ended.steps  # Adam counts them


def test_a_step_that_is_run_again_after_its_end_has_the_same_model(data: Path, tmp_path: Path) -> None:
    given = {"epochs": 2, "batch_size": 64, "checkpoint": str(tmp_path / "state"), "patience": 2}
    results = [train_model(data, tmp_path / name, **given) for name in ("first", "second")]
    first, second = (keras.models.load_model(tmp_path / name / "model.keras") for name in ("first", "second"))
    for value, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(value, other)
    assert results[0].history == results[1].history
    with pytest.raises(TrainingError, match=r"checkpoint .*: epochs 2 instead of epochs 3: "):
        train_model(data, tmp_path / "third", **given | {"epochs": 3})


def test_other_images_are_refused(data: Path, make_set: Callable[..., Path], tmp_path: Path) -> None:
    given = {"epochs": 1, "batch_size": 64, "checkpoint": str(tmp_path / "state")}
    train_model(data, tmp_path / "first", **given)
    with pytest.raises(TrainingError, match=r"images 300, pixels and labels \S+ instead of images 290, pixels"):
        train_model(make_set(290), tmp_path / "second", **given)
    assert not (tmp_path / "second").exists()


@pytest.fixture(scope="module")
def data(make_set: Callable[..., Path]) -> Path:
    return make_set()


def test_a_killed_process_goes_on(data: Path, tmp_path: Path) -> None:
    """kill -9 at a random moment after the first checkpoint; tests/faults does it again and again."""
    settings = {"epochs": 20, "batch_size": 32, "every": 3, "checkpoint": str(tmp_path / "state")}
    with training(data, tmp_path / "killed", settings) as child:
        wait_for_checkpoint(child, tmp_path / "state")
        time.sleep(random.uniform(0, 0.3))  # noqa: S311 - a moment
        child.kill()
        assert child.wait() == -signal.SIGKILL
    weights = [finished(data, tmp_path / name, given) for name, given in (("killed", settings), ("never", NEVER))]
    assert len(weights[0]["history"]) == 20
    for name in set(weights[1]) - {"seconds"}:
        np.testing.assert_array_equal(weights[0][name], weights[1][name])


def test_the_state_of_a_generator_is_kept() -> None:
    rng = np.random.default_rng(3)
    rng.integers(0, 10, 5, np.uint32)  # leaves half of a 64-bit number
    words = generator_words(rng)
    other = np.random.default_rng(4)
    set_generator(other, words)
    assert other.bit_generator.state == rng.bit_generator.state
    assert (other.random(5) == rng.random(5)).all()
