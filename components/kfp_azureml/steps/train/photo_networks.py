"""Networks for photos, from Keras Applications."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

BASE = "base"
"""Name of the layer that `initial_weights` are loaded into, and that `frozen_epochs` freezes."""

_DROPOUT = 0.2

_TO_ONE = {"scale": 1 / 127.5, "offset": -1.0}
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_STANDARDIZED = {
    "scale": [1 / (255 * deviation) for deviation in _DEVIATION],
    "offset": [-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)],
}
"""To mean 0 and variance 1 over the photos of ImageNet."""

# Most have layers for this, of which Keras does not export the constants to ONNX (3.15).
_SCALING: dict[str, dict[str, Any]] = {
    "MobileNetV3Small": _TO_ONE,
    "MobileNetV3Large": _TO_ONE,
    "EfficientNetV2B0": _STANDARDIZED,
    "ResNet50V2": _TO_ONE,
    "ConvNeXtTiny": _STANDARDIZED,
}
"""How each scales pixels, 0 to 255."""


def photo_network(application: str) -> Callable[[tuple[int, int, int], int], keras.Model]:
    """Return the build function of a network on a Keras application.

    On the base are pooling, dropout and one dense layer. The base has random weights: nothing is downloaded. It is for
    RGB, as published weights are; grey images are repeated in each channel.

    Args:
        application: Name of the function in `keras.applications`.
    """
    return partial(_build, application)


def _build(application: str, shape: tuple[int, int, int], classes: int) -> keras.Model:
    import keras
    from keras import layers, ops

    height, width, channels = shape
    image = keras.Input(shape, dtype="uint8", name="image")
    pixels = ops.cast(image, "float32")
    if channels == 1:
        pixels = ops.repeat(pixels, 3, axis=-1)
    pixels = layers.Rescaling(**_SCALING[application])(pixels)
    options = {} if application == "ResNet50V2" else {"include_preprocessing": False}  # it never has it
    built = getattr(keras.applications, application)(
        include_top=False, weights=None, input_shape=(height, width, 3), pooling="avg", **options
    )
    base = keras.Model(built.input, built.output, name=BASE)  # EfficientNetV2 cannot be built with another name
    features = layers.Dropout(_DROPOUT)(base(pixels))
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities")(features)
    return keras.Model(image, probabilities)
