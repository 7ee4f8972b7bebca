"""Test-time augmentation with horizontal flips."""

from pathlib import Path

import keras
import numpy as np
import pytest

from kfp_azureml.steps.train.tta import with_flip_tta

SHAPE = (8, 9, 1)
IMAGES = np.random.default_rng(3).integers(0, 256, (7, *SHAPE), np.uint8)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input(SHAPE, dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(4, activation="softmax"),
        ],
        name="plain",
    )


def test_predictions_are_averaged_over_an_image_and_its_flip(model: keras.Model) -> None:
    expected = (model(IMAGES).numpy() + model(IMAGES[:, :, ::-1]).numpy()) / 2
    assert np.abs(model(IMAGES).numpy() - expected).max() > 0.01
    np.testing.assert_allclose(with_flip_tta(model)(IMAGES).numpy(), expected, atol=1e-6)


def test_the_signature_is_unchanged(model: keras.Model) -> None:
    augmented = with_flip_tta(model)
    assert (augmented.inputs[0].name, augmented.inputs[0].dtype, augmented.input_shape) == (
        "image",
        "uint8",
        (None, *SHAPE),
    )
    assert (augmented.outputs[0].dtype, augmented.output_shape) == ("float32", (None, 4))


def test_the_saved_model_loads_without_this_project(model: keras.Model, tmp_path: Path) -> None:
    augmented = with_flip_tta(model)
    augmented.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(loaded(IMAGES).numpy(), augmented(IMAGES).numpy(), atol=1e-7)
