"""The networks train knows, each with the recipe it is trained by.

To add one: write its build function and enter it in `ARCHITECTURES`. Every network takes raw uint8 pixels, so that
nobody who serves it has to know how to scale them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Architecture:
    """A network and its recipe.

    Attributes:
        build: Makes the network for images of (height, width, channels) and a number of classes. Its input is
            uint8 pixels, (batch, height, width, channels); its output float32 probabilities, (batch, classes).
        smallest: The smallest height and width in pixels it can take.
        optimizer: Makes its optimiser; the learning rate is set before each step.
        batch_size: Images a step.
        learning_rate: The peak of the learning rate.
        schedule: The share of the peak, 0 to 1, at a moment of the training, 0 (the start) to 1 (the end).
        label_smoothing: The share of the target's weight that is spread over all classes.
        flip: Whether to mirror half of the images left to right, drawn anew in each epoch but the first; the trained
            network then answers with its mean over an image and its mirror image.
        shift: By how many pixels at most to move the images, drawn likewise.
    """

    build: Callable[[tuple[int, int, int], int], keras.Model]
    smallest: int
    optimizer: Callable[[], keras.optimizers.Optimizer]
    batch_size: int
    learning_rate: float
    schedule: Callable[[float], float]
    label_smoothing: float = 0.0
    flip: bool = False
    shift: int = 0


def constant(_moment: float) -> float:
    """Keep the learning rate at its peak."""
    return 1.0


def one_cycle(moment: float) -> float:
    """Raise the learning rate from 4 % of its peak for a fifth of the training, then lower it to 0 along a cosine.

    After Smith and Topin, "Super-Convergence" (2018), https://arxiv.org/abs/1708.07120, with the cosine that PyTorch's
    OneCycleLR uses.
    """
    warm_up, start = 0.2, 0.04
    if moment < warm_up:
        return start + (1 - start) * moment / warm_up
    return (1 + math.cos(math.pi * (moment - warm_up) / (1 - warm_up))) / 2


def build_seed(shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Build the network of the original Azure ML example: 241,546 parameters for 28x28 grey images of 10 classes."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(shape, dtype="uint8", name="image"),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu", kernel_initializer="he_normal"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Conv2D(128, 3, activation="relu"),
            layers.Dropout(0.4),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(classes, activation="softmax", name="probabilities"),
        ],
        name="seed",
    )


def build_lean(shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Build a network that reaches the seed's accuracy in a fraction of its time, and a better one in the same time.

    Few filters where the images are large, and pooling before batch normalisation and ReLU, which then have a quarter
    of the work; batch normalisation makes few epochs enough. It has 80,282 parameters for 28x28 grey images of 10
    classes.
    """
    import keras
    from keras import layers, ops

    from kfp_azureml.steps.train.batch_norm import FusedBatchNormalization

    image = keras.Input(shape, dtype="uint8", name="image")
    # Batch normalisation undoes any scale, also that of the pixels: dividing them first would be work for nothing.
    features = ops.cast(image, "float32")
    for filters, pool in ((16, True), (32, True), (64, True), (96, False)):
        features = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(features)
        if pool:
            features = layers.MaxPooling2D()(features)
        # With few steps in all, the moving averages must follow faster than Keras' 0.99.
        features = layers.ReLU()(FusedBatchNormalization(momentum=0.9)(features))
    features = layers.GlobalMaxPooling2D()(features)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities")(features)
    return keras.Model(image, probabilities, name="lean")


def adam() -> keras.optimizers.Optimizer:
    """Make Keras' plain Adam."""
    import keras

    return keras.optimizers.Adam()


def muon() -> keras.optimizers.Optimizer:
    """Make Muon."""
    from kfp_azureml.steps.train.muon import Muon

    return Muon()


ARCHITECTURES = {
    "lean": Architecture(
        build=build_lean,
        smallest=8,
        optimizer=muon,
        batch_size=128,
        learning_rate=0.1,
        schedule=one_cycle,
        label_smoothing=0.1,
        flip=True,
        shift=1,
    ),
    "seed": Architecture(
        build=build_seed, smallest=18, optimizer=adam, batch_size=256, learning_rate=0.001, schedule=constant
    ),
}
