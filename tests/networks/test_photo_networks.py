"""The networks for photos, whole: build, load weights, train, export. Minutes of CPU: `make test-networks`."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from kfp_azureml.imagesets.parquet import write_parquet
from kfp_azureml.models.onnx_session import open_session
from kfp_azureml.steps.train.architectures import ARCHITECTURES
from step_calls import train_model

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


def test_every_network_for_photos_is_tested() -> None:
    assert {*APPLICATIONS, "lean", "original"} == set(ARCHITECTURES)


@pytest.fixture
def make_photos(tmp_path: Path) -> Callable[[int, int], Path]:
    """Return a function that writes images of two classes: side in pixels, channels."""

    def make(side: int, channels: int) -> Path:
        rng = np.random.default_rng(1)
        labels = np.arange(16, dtype=np.uint8) % 2
        images = rng.integers(0, 128, (16, side, side, channels)) + 100 * labels[:, None, None, None]
        folder = tmp_path / f"photos-{side}-{channels}"
        folder.mkdir()
        chunk = (images.astype(np.uint8).tobytes(), labels.tobytes())
        write_parquet(folder / "images.parquet", (side, side, channels), ("dark", "bright"), [chunk])
        return folder

    return make


@pytest.mark.parametrize("name", APPLICATIONS)
def test_weights_as_published_are_the_start(name: str, make_photos: Callable[[int, int], Path], tmp_path: Path) -> None:
    source = APPLICATIONS[name](weights=None, classes=7)
    source.save_weights(tmp_path / "w.weights.h5")
    source.save(tmp_path / "w.h5")  # the format that Keras Applications publish, with the top
    data = make_photos(32, 3)
    for weights in ("w.weights.h5", "w.h5"):
        model = tmp_path / f"model-{weights}"
        train_model(
            *(data, model),
            architecture=name,
            epochs=1,
            frozen_epochs=1,
            initial_weights=str(tmp_path / weights),
            validation_fraction=0,
        )
        # write_model_folder has compared ONNX Runtime with Keras.
        base = keras.models.load_model(model / "model.keras").get_layer("base")
        stored = [weight for layer in source.layers for weight in layer.get_weights()]
        found = [weight for layer in base.layers for weight in layer.get_weights()]
        assert all(np.array_equal(one, other) for one, other in zip(found, stored, strict=False))


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_step_at_224_pixels_that_are_scaled_as_the_application_expects(
    name: str, make_photos: Callable[[int, int], Path], tmp_path: Path
) -> None:
    train_model(make_photos(224, 1), tmp_path / "model", architecture=name, epochs=1, batch_size=4)
    session = open_session(tmp_path / "model" / "model.onnx")
    (image,) = session.get_inputs()
    assert (image.name, image.type, image.shape[1:]) == ("image", "tensor(uint8)", [224, 224, 1])

    model = keras.models.load_model(tmp_path / "model" / "model.keras")
    grey = np.random.default_rng(1).integers(0, 256, (2, 224, 224, 1), np.uint8)
    base = APPLICATIONS[name](include_top=False, weights=None, pooling="avg", input_shape=(224, 224, 3))
    base.set_weights(model.get_layer("base").get_weights())
    features = base(PREPROCESSING[name](np.repeat(grey, 3, axis=-1).astype("float32")), training=False)
    expected = keras.ops.convert_to_numpy(model.get_layer("probabilities")(features))
    np.testing.assert_allclose(session.run(None, {"image": grey})[0], expected, atol=1e-4)
