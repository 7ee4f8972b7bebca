"""The Muon optimizer for convolutional networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

# Coefficients of the quintic Newton-Schulz polynomial that raises small singular values fastest.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 3


class Muon(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Update convolution kernels by orthogonalized momentum and all other weights by Adam.

    Source: Jordan et al., "Muon" (2024), https://kellerjordan.github.io/posts/muon, with the settings of the author's
    CIFAR-10 record. Keras' own Muon trains convolution kernels by Adam. Measured on Fashion-MNIST with an earlier
    `lean`: .9134 after one and a half epochs against .8999 with AdamW, at 5 % more CPU per step.
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        *,
        momentum: float = 0.9,
        adam_ratio: float = 0.2,
        adam_momentum: float = 0.9,
        adam_decay: float = 0.99,
        **options: Any,
    ) -> None:
        """Build the optimizer.

        Args:
            learning_rate: Learning rate of convolution kernels.
            momentum: Nesterov momentum of convolution kernels.
            adam_ratio: Learning rate of all other weights, as a fraction of `learning_rate`.
            adam_momentum: Adam's beta_1.
            adam_decay: Adam's beta_2.
            **options: Passed to `keras.optimizers.Optimizer`.
        """
        super().__init__(learning_rate=learning_rate, **options)
        self.momentum = momentum
        self.adam_ratio = adam_ratio
        self.adam_momentum = adam_momentum
        self.adam_decay = adam_decay

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Allocate the moments."""
        super().build(variables)
        self.moments = [self.add_variable_from_reference(variable, name="moment") for variable in variables]
        self.squares = [self.add_variable_from_reference(variable, name="square") for variable in variables]

    def update_step(self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        """Update one variable."""
        index = self._get_variable_index(variable)
        moment, square = self.moments[index], self.squares[index]
        rate = tf.cast(learning_rate, variable.dtype)
        if len(variable.shape) == 4:
            moment.assign(self.momentum * moment + gradient)
            fan_in, filters = math.prod(variable.shape[:-1]), variable.shape[-1]
            step = orthogonal(tf.reshape(gradient + self.momentum * moment, (fan_in, filters)))
            variable.assign_sub(rate * math.sqrt(max(1.0, filters / fan_in)) * tf.reshape(step, variable.shape))
            return
        count = tf.cast(self.iterations + 1, variable.dtype)
        moment.assign(self.adam_momentum * moment + (1 - self.adam_momentum) * gradient)
        square.assign(self.adam_decay * square + (1 - self.adam_decay) * tf.square(gradient))
        mean = moment / (1 - self.adam_momentum**count)
        spread = tf.sqrt(square / (1 - self.adam_decay**count))
        variable.assign_sub(rate * self.adam_ratio * mean / (spread + 1e-8))


def orthogonal(matrix: tf.Tensor) -> tf.Tensor:
    """Return approximately the nearest orthogonal matrix, by Newton-Schulz iterations.

    Args:
        matrix: A matrix of static shape.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    wide = tf.transpose(matrix) if tall else matrix
    wide = wide / (tf.norm(wide) + 1e-7)
    for _ in range(_ITERATIONS):
        square = tf.matmul(wide, wide, transpose_b=True)
        wide = _A * wide + tf.matmul(_B * square + _C * tf.matmul(square, square), wide)
    return tf.transpose(wide) if tall else wide
