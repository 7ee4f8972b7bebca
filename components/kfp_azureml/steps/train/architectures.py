"""The available networks, each with its training recipe.

To add one, write its build function and add it to `ARCHITECTURES`. Every network takes raw uint8 pixels, so that
clients of an endpoint need not scale them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kfp_azureml.steps.train.augmentation import CROPS, FLIPS, SHIFTS
from kfp_azureml.steps.train.photo_networks import photo_network

if TYPE_CHECKING:
    import keras

FINE_TUNING = 0.1
"""Learning rate of a network whose base was frozen first, as a fraction of its peak."""
SMALL_BATCH, EPOCH_BATCHES = 8, 16
"""Small sets get smaller batches by default, down to the first, so that an epoch has the second number of them."""


@dataclass(frozen=True)
class Architecture:
    """A network and its training recipe.

    Attributes:
        build: Builds the network for an image shape (height, width, channels) and a number of classes. Its input is
            uint8 pixels, (batch, height, width, channels); its output float32 probabilities, (batch, classes).
        min_size: Minimum image height and width in pixels.
        optimizer: Builds the optimizer; the learning rate is set before each step.
        batch_size: Default batch size.
        learning_rate: Default peak learning rate.
        schedule: Maps training progress, 0 to 1, to a fraction of the peak learning rate.
        label_smoothing: Label smoothing factor, 0 to 1.
        augment: Default augmentation from the second epoch on, of `augmentation.KINDS`.
        flip_tta: If trained with flips, average predictions over both orientations (test-time augmentation).
        has_base: Whether it takes initial weights; not known of the user's own.
    """

    build: Callable[[tuple[int, int, int], int], keras.Model]
    min_size: int
    optimizer: Callable[[], keras.optimizers.Optimizer]
    batch_size: int
    learning_rate: float
    schedule: Callable[[float], float]
    label_smoothing: float = 0.0
    augment: tuple[str, ...] = ()
    flip_tta: bool = False
    has_base: bool = True


def constant(_progress: float) -> float:
    """Return 1: the learning rate stays at its peak."""
    return 1.0


def one_cycle(progress: float) -> float:
    """Warm up from 4 % of the peak over the first fifth, then anneal to 0 along a cosine.

    Source: Smith and Topin, "Super-Convergence" (2018), https://arxiv.org/abs/1708.07120, with the cosine annealing of
    PyTorch's OneCycleLR.
    """
    warm_up, start = 0.2, 0.04
    if progress < warm_up:
        return start + (1 - start) * progress / warm_up
    return (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up))) / 2


def build_original(shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Build the original Azure ML example's network.

    241,546 parameters for 28x28 grey images of 10 classes.
    """
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
        name="original",
    )


def build_lean(shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Build a small network that trains in a fraction of the time of `original`.

    Few filters at high resolution, and pooling before batch normalization and ReLU, which then process a quarter of
    the values. 80,282 parameters for 28x28 grey images of 10 classes.
    """
    import keras
    from keras import layers, ops

    from kfp_azureml.steps.train.batch_norm import FusedBatchNormalization

    image = keras.Input(shape, dtype="uint8", name="image")
    # No rescaling: batch normalization removes the scale of the pixels.
    features = ops.cast(image, "float32")
    for filters, pool in ((16, True), (32, True), (64, True), (96, False)):
        features = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(features)
        if pool:
            features = layers.MaxPooling2D()(features)
        # Trainings are short: the moving averages must adapt faster than with Keras' 0.99.
        features = layers.ReLU()(FusedBatchNormalization(momentum=0.9)(features))
    features = layers.GlobalMaxPooling2D()(features)
    probabilities = layers.Dense(classes, activation="softmax", name="probabilities")(features)
    return keras.Model(image, probabilities, name="lean")


def adam() -> keras.optimizers.Optimizer:
    """Build Keras' Adam with default settings."""
    import keras

    return keras.optimizers.Adam()


def muon() -> keras.optimizers.Optimizer:
    """Build Muon with default settings."""
    from kfp_azureml.steps.train.muon import Muon

    return Muon()


def photo(
    build: Callable[[tuple[int, int, int], int], keras.Model],
    min_size: int = 32,
    augment: tuple[str, ...] = (FLIPS, CROPS),
) -> Architecture:
    """Return the recipe of networks for photos."""
    return Architecture(
        build=build,
        min_size=min_size,
        optimizer=adam,
        batch_size=32,
        learning_rate=0.001,
        schedule=one_cycle,
        label_smoothing=0.1,
        augment=augment,
    )


ARCHITECTURES = {
    "lean": Architecture(
        build=build_lean,
        min_size=8,
        optimizer=muon,
        batch_size=128,
        learning_rate=0.1,
        schedule=one_cycle,
        label_smoothing=0.1,
        augment=(FLIPS, SHIFTS),
        flip_tta=True,
        has_base=False,
    ),
    "original": Architecture(
        build=build_original,
        min_size=18,
        optimizer=adam,
        batch_size=256,
        learning_rate=0.001,
        schedule=constant,
        has_base=False,
    ),
    "mobilenet_v3_small": photo(photo_network("MobileNetV3Small")),
    "mobilenet_v3_large": photo(photo_network("MobileNetV3Large")),
    "efficientnet_v2_b0": photo(photo_network("EfficientNetV2B0")),
    "resnet50_v2": photo(photo_network("ResNet50V2")),
    "convnext_tiny": photo(photo_network("ConvNeXtTiny")),
}
