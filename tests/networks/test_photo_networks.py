"""The networks for photos, whole: build, load weights, train, export. Minutes of CPU: `make test-networks`."""

from pathlib import Path

import keras
import numpy as np
import pytest

from kfp_azureml.imagesets.parquet import write_parquet
from kfp_azureml.models.onnx_session import open_session
from kfp_azureml.steps.train.architectures import ARCHITECTURES
from kfp_azureml.steps.train.initial_weights import load_initial_weights
from step_calls import train_model, training_settings

APPLICATIONS = {
    "mobilenet_v3_small": keras.applications.MobileNetV3Small,
    "mobilenet_v3_large": keras.applications.MobileNetV3Large,
    "efficientnet_v2_b0": keras.applications.EfficientNetV2B0,
    "resnet50_v2": keras.applications.ResNet50V2,
    "convnext_tiny": keras.applications.ConvNeXtTiny,
}
PREPROCESSING = {
    "mobilenet_v3_small": keras.applications.mobilenet_v3.preprocess_input,
    "mobilenet_v3_large": keras.applications.mobilenet_v3.preprocess_input,
    "efficientnet_v2_b0": keras.applications.efficientnet_v2.preprocess_input,
    "resnet50_v2": keras.applications.resnet_v2.preprocess_input,
    "convnext_tiny": keras.applications.convnext.preprocess_input,
}
SIDE = 64
"""Of the images, in pixels. The layers are the same at any size; features are 2x2 before pooling."""


def test_every_network_for_photos_is_tested() -> None:
    assert {*APPLICATIONS, "lean", "original"} == set(ARCHITECTURES)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Grey images of two classes."""
    rng = np.random.default_rng(1)
    labels = np.arange(8, dtype=np.uint8) % 2
    images = rng.integers(0, 128, (8, SIDE, SIDE, 1)) + 100 * labels[:, None, None, None]
    chunk = (images.astype(np.uint8).tobytes(), labels.tobytes())
    (tmp_path / "data").mkdir()
    write_parquet(tmp_path / "data" / "images.parquet", (SIDE, SIDE, 1), ("dark", "bright"), [chunk])
    return tmp_path / "data"


@pytest.mark.parametrize("name", APPLICATIONS)
def test_it_loads_published_weights_takes_a_step_and_answers_as_its_application(
    name: str, data: Path, tmp_path: Path
) -> None:
    source = APPLICATIONS[name](weights=None, classes=7)
    stored = [weight for layer in source.layers for weight in layer.get_weights()]
    source.save_weights(tmp_path / "w.weights.h5")
    source.save(tmp_path / "w.h5")  # the format that Keras Applications publish, with the top
    given = {"architecture": name, "initial_weights": str(tmp_path / "w.h5")}
    train_model(data, tmp_path / "model", epochs=1, validation_fraction=0, **given)
    # write_model_folder has compared ONNX Runtime with Keras.
    model = keras.models.load_model(tmp_path / "model" / "model.keras")
    base = model.get_layer("base")

    # The application takes the pixels that its own function has scaled, as ours does raw ones.
    session = open_session(tmp_path / "model" / "model.onnx")
    (image,) = session.get_inputs()
    assert (image.name, image.type, image.shape[1:]) == ("image", "tensor(uint8)", [SIDE, SIDE, 1])
    grey = np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE, 1), np.uint8)
    application = APPLICATIONS[name](include_top=False, weights=None, pooling="avg", input_shape=(SIDE, SIDE, 3))
    application.set_weights(base.get_weights())
    features = application(PREPROCESSING[name](np.repeat(grey, 3, axis=-1).astype("float32")), training=False)
    expected = keras.ops.convert_to_numpy(model.get_layer("probabilities")(features))
    np.testing.assert_allclose(session.run(None, {"image": grey})[0], expected, atol=1e-4)

    assert not equal(base, stored)  # it was trained
    for weights in ("w.weights.h5", "w.h5"):
        base.set_weights([np.zeros_like(weight) for weight in base.get_weights()])
        load_initial_weights(base, tmp_path / weights, training_settings(**given))
        assert equal(base, stored), weights


def equal(base: keras.Model, stored: list[np.ndarray]) -> bool:
    """Return whether the weights of a base are the first of those stored, in the order of the layers."""
    found = [weight for layer in base.layers for weight in layer.get_weights()]
    return all(np.array_equal(one, other) for one, other in zip(found, stored, strict=False))
