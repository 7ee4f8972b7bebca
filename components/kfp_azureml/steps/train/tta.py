"""A classifier that looks at each image and at its mirror image."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops


def with_flip_tta(model: keras.Model) -> keras.Model:
    """Return a network that answers with the mean of a trained network's answers to an image and its mirror image.

    Args:
        model: From (batch, height, width, channels) to probabilities, (batch, classes).
    """
    image = keras.Input(model.input_shape[1:], dtype=model.inputs[0].dtype, name="image")
    # One operation in ONNX, where a flip would be five.
    mirrored = ops.take(image, np.arange(model.input_shape[2])[::-1].copy(), axis=2)
    answers = model(ops.concatenate([image, mirrored], axis=0))
    # The first half answers to the images, the second to their mirror images.
    both = ops.reshape(answers, (2, -1, model.output_shape[-1]))
    return keras.Model(image, ops.mean(both, axis=0), name=f"mirrored_{model.name}")
