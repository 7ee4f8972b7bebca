"""Batch normalization with TensorFlow's fused kernel, saved as Keras' own layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras' layer with TensorFlow's fused kernel: one operation instead of a dozen, in ONNX too.

    Inputs are images, (batch, height, width, channels), float32. Measured on two cores with the `lean` network, a step
    with batch size 256 takes 15 % less CPU and 40 % less time than with Keras' layer. Call `with_stock_layers` before
    saving.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Normalize by the batch's statistics in training, by the moving averages otherwise."""
        if training:
            outputs, mean, variance = self._fused(inputs, is_training=True)
            self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1 - self.momentum))
            self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1 - self.momentum))
            return outputs
        return self._fused(inputs, mean=self.moving_mean, variance=self.moving_variance, is_training=False)[0]

    def _fused(self, inputs: tf.Tensor, **how: Any) -> Any:
        return tf.compat.v1.nn.fused_batch_norm(inputs, self.gamma, self.beta, epsilon=self.epsilon, **how)


def with_stock_layers(model: keras.Model) -> keras.Model:
    """Return a copy with Keras' own layers only, so that it loads without this project."""
    if not any(isinstance(layer, FusedBatchNormalization) for layer in model.layers):
        return model

    def stock(layer: keras.Operation) -> keras.Operation:
        kind: Any = keras.layers.BatchNormalization if isinstance(layer, FusedBatchNormalization) else type(layer)
        return kind.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=stock)
    copy.set_weights(model.get_weights())
    return copy


def settling_steps(model: keras.Model) -> float:
    """Return the number of steps after which moving averages have forgotten their initial values."""
    return max((10 / (1 - layer.momentum) for layer in _trained_layers(model)), default=0)


def recomputation(model: keras.Model) -> Callable[[Iterable[NDArray[np.uint8]]], None]:
    """Return a function that sets the moving averages to those over some batches.

    After few steps, moving averages still have a part of their initial values, and are of earlier weights. It is traced
    once, for the layers that are trained now: a graph frees what it needs no more, where a call of the model would keep
    the outputs of all layers, 4.7 GB instead of 1.0 for 32 images of 224x224 and ResNet50V2.

    Source: Wu and Johnson, "Rethinking 'Batch' in BatchNorm" (2021), https://arxiv.org/abs/2105.07576, section 3.
    """
    layers = list(_trained_layers(model))
    momenta = [layer.momentum for layer in layers]

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def update(images: tf.Tensor, momentum: tf.Tensor) -> None:
        for layer in layers:
            layer.momentum = momentum
        model(images, training=True)

    def recompute(batches: Iterable[NDArray[np.uint8]]) -> None:
        try:
            for count, images in enumerate(batches):
                update(images, tf.constant(count / (count + 1), tf.float32))
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum

    return recompute


def _trained_layers(model: keras.Model) -> Iterator[keras.layers.BatchNormalization]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _trained_layers(layer)
        elif isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            yield layer
