"""The training loop: phases, class weights, early stopping, averages after few steps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.steps.train import training_loop
from kfp_azureml.steps.train.architectures import ARCHITECTURES, Architecture
from kfp_azureml.steps.train.batch_norm import recomputation, settling_steps
from kfp_azureml.steps.train.batches import Split
from kfp_azureml.steps.train.best_epoch import BestEpoch
from kfp_azureml.steps.train.collectives import Workers
from kfp_azureml.steps.train.history import Epoch
from kfp_azureml.steps.train.resuming import Generators, Resuming
from kfp_azureml.steps.train.training_loop import Phase, fit, phases
from step_calls import train_model


def train(model: keras.Model, recipe: Architecture, split: Split, seed: int, **options: Any) -> list[Epoch]:
    """Train alone, without checkpoints."""
    generators = Generators(seed, Workers())
    resuming = Resuming(generators, Workers(), BestEpoch(0))
    return list(fit(model, recipe, split, workers=Workers(), generators=generators, resuming=resuming, **options))


def epochs(*losses: float) -> list[Epoch]:
    return [Epoch(number, 1.0, 0.5, loss, 0.5, 1.0) for number, loss in enumerate(losses, start=1)]


def test_the_base_is_frozen_in_a_phase_of_its_own() -> None:
    assert phases(5, 0, 0.1) == [Phase(1, 5, False, 0.1)]
    assert phases(5, 2, 0.1) == [Phase(1, 2, True, 0.1), Phase(3, 5, False, pytest.approx(0.01))]
    assert phases(2, 2, 0.1) == [Phase(1, 2, True, 0.1)]


def test_each_phase_has_a_whole_cycle_of_the_schedule() -> None:
    phase = Phase(3, 6, False, 0.1)
    assert (phase.progress(3, 0.0), phase.progress(4, 0.5), phase.progress(6, 1.0)) == (0, 0.375, 1)


def test_the_best_epoch_is_kept_and_training_ends_after_patience() -> None:
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False)])
    best = BestEpoch(patience=2)
    ended = []
    for epoch in epochs(0.9, 0.5, 0.7, 0.5, 0.3):
        model.set_weights([np.full((1, 1), epoch.number)])
        ended.append(best.ends_with(epoch, model))
    assert ended == [False, False, False, True, False]
    assert best.restore(model).number == 5
    assert model.get_weights()[0].item() == 5


def test_training_stops_early_and_the_model_has_the_weights_of_the_best_epoch(
    make_set: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: list[np.ndarray] = []
    losses = iter([0.9, 0.2, 0.4, 0.6, 0.8, 0.1])

    def worse_and_worse(model: keras.Model, *arguments: object, **options: object) -> object:
        for epoch in fit(model, *arguments, **options):
            weights.append(model.get_weights()[0])
            yield replace(epoch, validation_loss=next(losses))

    monkeypatch.setattr(training_loop, "fit", worse_and_worse)
    data = make_set()
    result = train_model(data, tmp_path / "model", output_history=tmp_path / "history", epochs=6, patience=3)
    assert [epoch.number for epoch in result.history] == [1, 2, 3, 4, 5]
    assert result.manifest.metrics["validation_loss"] == 0.2
    saved = keras.models.load_model(tmp_path / "model" / "model.keras")
    (network,) = [layer for layer in saved.layers if isinstance(layer, keras.Model)]
    assert (network.get_weights()[0] == weights[1]).all()
    assert "2 (kept)" in (tmp_path / "history").read_text()


def test_balanced_weights_make_a_rare_class_count(make_set: Callable[..., Path], tmp_path: Path) -> None:
    # Its images are those of the frequent class: only weights decide what is predicted.
    labels = [1] * 20 + [0] * 180
    data = make_set(200, labels=labels)
    images = open_image_set(data)
    same = images.read_group(0).images[:1]
    alike = replace(
        images, read_group=lambda group: replace(images.read_group(group), images=_repeat(same, images, group))
    )
    split = Split(alike, 0.0, 1)
    assert split.training_counts().tolist() == [180, 20]
    predicted = []
    for weights in (None, np.array([200 / 360, 200 / 40], np.float32)):
        keras.utils.set_random_seed(1)
        recipe = replace(ARCHITECTURES["lean"], label_smoothing=0.0, batch_size=50)
        model = recipe.build((8, 8, 1), 2)
        options = {"epochs": 8, "frozen_epochs": 0, "class_weights": weights}
        train(model, recipe, split, 1, **options)
        predicted.append(float(model(same)[0][1]))
    assert predicted[0] == pytest.approx(0.1, abs=0.1)
    assert predicted[1] == pytest.approx(0.5, abs=0.2)


def _repeat(image: np.ndarray, images: object, group: int) -> np.ndarray:
    return np.repeat(image, images.group_sizes[group], axis=0)


def test_averages_of_batch_normalization_are_those_of_the_batches() -> None:
    model = keras.Sequential([keras.Input((4, 4, 2)), layers.BatchNormalization(momentum=0.9)])
    rng = np.random.default_rng(1)
    batches = [rng.normal(number, 2, (8, 4, 4, 2)).astype(np.float32) for number in range(3)]
    assert settling_steps(model) == pytest.approx(100)
    recomputation(model)(batches)
    _, _, mean, variance = model.get_weights()
    np.testing.assert_allclose(mean, np.mean([batch.mean((0, 1, 2)) for batch in batches], axis=0), rtol=1e-4)
    np.testing.assert_allclose(variance, np.mean([batch.var((0, 1, 2)) for batch in batches], axis=0), rtol=1e-4)
    assert model.layers[0].momentum == 0.9
    model.trainable = False
    assert settling_steps(model) == 0


def test_averages_are_computed_in_a_graph_which_needs_a_fraction_of_the_memory() -> None:
    in_graph = []

    class Probe(layers.Layer):
        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            in_graph.append(not tf.executing_eagerly())
            return inputs

    model = keras.Sequential([keras.Input((2, 2, 1)), Probe(), layers.BatchNormalization()])
    in_graph.clear()
    recomputation(model)([np.ones((4, 2, 2, 1), np.float32)] * 3)
    assert in_graph == [True]  # traced once


def test_a_few_steps_predict_as_well_as_the_batch_statistics_do(make_set: Callable[..., Path]) -> None:
    split = Split(open_image_set(make_set(60)), 0.1, 13)
    recipe = ARCHITECTURES["lean"]  # a batch of 128: one step an epoch
    keras.utils.set_random_seed(13)
    model = recipe.build((8, 8, 1), 2)
    options = {"epochs": 10, "frozen_epochs": 0, "class_weights": None}
    *_, last = train(model, recipe, split, 13, **options)
    assert last.validation_accuracy == 1
    assert last.validation_loss < 0.3
