"""Layers for the export to ONNX."""

from pathlib import Path

import keras
import numpy as np
from keras import layers

from kfp_azureml.models.onnx_session import open_session
from kfp_azureml.steps.train.export import _export_onnx
from kfp_azureml.steps.train.onnx_layers import with_exportable_layers


def network() -> keras.Model:
    """Build the layers of ConvNeXt that cannot be exported, in a nested network."""
    inner = keras.Input((8, 8, 4))
    features = layers.Conv2D(4, 3, padding="same", groups=4)(inner)
    features = layers.Activation("gelu")(features)
    nested = keras.Model(inner, layers.GlobalAveragePooling2D()(features))
    image = keras.Input((8, 8, 4), name="image")
    return keras.Model(image, layers.Dense(3, activation="softmax")(nested(image)))


def test_convolutions_by_channel_and_gelu_are_exported(tmp_path: Path) -> None:
    model = network()
    model.set_weights([np.random.default_rng(1).normal(size=weight.shape) for weight in model.get_weights()])
    images = np.random.default_rng(2).normal(size=(5, 8, 8, 4)).astype(np.float32)
    _export_onnx(with_exportable_layers(model), tmp_path / "model.onnx", images[:1])
    exported = open_session(tmp_path / "model.onnx").run(None, {"image": images})[0]
    np.testing.assert_allclose(exported, keras.ops.convert_to_numpy(model(images)), atol=1e-5)


def test_other_networks_stay_as_they_are() -> None:
    image = keras.Input((8, 8, 4))
    model = keras.Model(image, layers.Conv2D(4, 3, activation="relu", groups=2)(image))
    assert with_exportable_layers(model) is model
