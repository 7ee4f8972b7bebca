"""Test-time augmentation."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops


def with_flip_tta(model: keras.Model) -> keras.Model:
    """Return a network that averages predictions over an image and its horizontal flip.

    Args:
        model: Maps images, (batch, height, width, channels), to probabilities, (batch, classes).
    """
    image = keras.Input(model.input_shape[1:], dtype=model.inputs[0].dtype, name="image")
    # One operation in ONNX; a flip would be five.
    flipped = ops.take(image, np.arange(model.input_shape[2])[::-1].copy(), axis=2)
    probabilities = model(ops.concatenate([image, flipped], axis=0))
    both = ops.reshape(probabilities, (2, -1, model.output_shape[-1]))
    return keras.Model(image, ops.mean(both, axis=0), name=f"{model.name}_flip_tta")
