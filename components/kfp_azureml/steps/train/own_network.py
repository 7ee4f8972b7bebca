"""Networks of the user's own: a build function in a module of an image built on ours."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from kfp_azureml.runtime.errors import TrainingError, first_line
from kfp_azureml.steps.train.architectures import Architecture, photo

if TYPE_CHECKING:
    import keras

_TOLERANCE = 1e-3


def is_reference(architecture: str) -> bool:
    """Return whether an architecture has the form `package.module:function`."""
    return re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", architecture) is not None


def own_architecture(reference: str) -> Architecture:
    """Return the recipe of a network of the user's own, without augmentation.

    The function is called as `function(shape, classes)`, with the image shape (height, width, channels) and the number
    of classes, and returns a `keras.Model` from pixels, 0 to 255, to probabilities. A layer named `base` is what
    `initial_weights` and `frozen_epochs` are about.

    Args:
        reference: `package.module:function`.

    Raises:
        TrainingError: If it cannot be imported. Building raises it too, if the function returns anything else.
    """
    module_name, _, name = reference.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), name)
    except Exception as error:  # whatever the module raises
        raise TrainingError(
            f"architecture {reference}: cannot be imported: {type(error).__name__}: {first_line(error)}; "
            "docker/README.md says how to add a module to the image"
        ) from error
    if not callable(function):
        raise TrainingError(f"architecture {reference}: {name} is {type(function).__name__}, not a function")
    return photo(lambda shape, classes: _build(reference, function, shape, classes), min_size=1, augment=())


def _build(
    reference: str, function: Callable[[tuple[int, int, int], int], object], shape: tuple[int, int, int], classes: int
) -> keras.Model:
    import keras
    import numpy as np

    try:
        network = function(shape, classes)
    except Exception as error:  # whatever the user's function raises
        raise TrainingError(
            f"architecture {reference}: failed for images of {shape} and {classes} classes: "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error
    if not isinstance(network, keras.Model):
        raise TrainingError(f"architecture {reference}: returned {type(network).__name__}; expected a keras.Model")
    for what, found, expected in (
        ("input", network.input_shape, (None, *shape)),
        ("output", network.output_shape, (None, classes)),
    ):
        if found != expected:
            raise TrainingError(f"architecture {reference}: its {what} is {found}; expected {expected}")
    answer = keras.ops.convert_to_numpy(network(np.zeros((1, *shape), np.uint8), training=False))
    if not (answer >= 0).all() or not abs(answer.sum() - 1) <= _TOLERANCE:
        raise TrainingError(f"architecture {reference}: its output is not probabilities; end with a softmax")
    return network if network.inputs[0].dtype == "uint8" else _with_uint8_input(network)


def _with_uint8_input(network: keras.Model) -> keras.Model:
    import keras

    image = keras.Input(network.input_shape[1:], dtype="uint8", name="image")
    return keras.Model(image, network(keras.ops.cast(image, network.inputs[0].dtype)), name=network.name)
