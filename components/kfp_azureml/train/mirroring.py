"""A classifier that looks at each image and at its mirror image."""

from __future__ import annotations

import keras
from keras import ops


def with_mirror(model: keras.Model) -> keras.Model:
    """Return a network that answers with the mean of a trained network's answers to an image and its mirror image.

    Args:
        model: From (batch, height, width, channels) to probabilities, (batch, classes).
    """
    image = keras.Input(model.input_shape[1:], dtype=model.inputs[0].dtype, name="image")
    answers = model(ops.concatenate([image, ops.flip(image, axis=2)], axis=0))
    # The first half answers to the images, the second to their mirror images.
    both = ops.reshape(answers, (2, -1, model.output_shape[-1]))
    return keras.Model(image, ops.mean(both, axis=0), name=f"mirrored_{model.name}")
