"""Layers that can be exported to ONNX, in place of those that cannot."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import layers, ops


def with_exportable_layers(model: keras.Model) -> keras.Model:
    """Return a copy of a network whose operations tf2onnx knows, or itself.

    Keras 3.15 compiles a convolution with groups by XLA, and computes GELU by erfc. tf2onnx 1.17 knows neither.
    ConvNeXt has both: its convolutions have a group per channel.
    """
    if not any(_depthwise(layer) or _is_gelu(layer) for layer in _all_layers(model)):
        return model
    copy = keras.models.clone_model(model, clone_function=_exportable, recursive=True)
    # The kernel of a convolution with a group per channel is (height, width, 1, channels), a depthwise one's
    # (height, width, channels, 1).
    copy.set_weights(
        [
            weight if weight.shape == tuple(variable.shape) else np.swapaxes(weight, -1, -2)
            for weight, variable in zip(model.get_weights(), copy.weights, strict=True)
        ]
    )
    return copy


def _exportable(layer: keras.Layer) -> keras.Layer:
    if _depthwise(layer):
        return layers.DepthwiseConv2D(
            layer.kernel_size,
            strides=layer.strides,
            padding=layer.padding,
            use_bias=layer.use_bias,
            activation=layer.activation,
            name=layer.name,
        )
    if _is_gelu(layer):
        return layers.Activation(_gelu, name=layer.name)
    return type(layer).from_config(layer.get_config())


def _depthwise(layer: keras.Layer) -> bool:
    """Return whether a layer is a convolution with a group per channel."""
    return type(layer) is layers.Conv2D and layer.groups == layer.filters > 1 and layer.kernel.shape[-2] == 1


def _is_gelu(layer: keras.Layer) -> bool:
    return isinstance(layer, layers.Activation) and layer.activation is keras.activations.gelu


def _gelu(values: keras.KerasTensor) -> keras.KerasTensor:
    return values * (1 + ops.erf(values / math.sqrt(2))) / 2


def _all_layers(model: keras.Model) -> list[keras.Layer]:
    nested = (_all_layers(layer) if isinstance(layer, keras.Model) else [layer] for layer in model.layers)
    return [layer for some in nested for layer in some]
