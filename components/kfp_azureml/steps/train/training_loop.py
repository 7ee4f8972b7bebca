"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import isfinite

import keras
import numpy as np
import tensorflow as tf

from kfp_azureml.runtime.errors import TrainingError
from kfp_azureml.runtime.step import progress, throttle
from kfp_azureml.steps.train.architectures import Architecture
from kfp_azureml.steps.train.augmentation import flip_half, shift
from kfp_azureml.steps.train.batches import Split
from kfp_azureml.steps.train.history import Epoch

PROGRESS_SECONDS = 5.0
"""Interval of progress messages."""


def fit(
    model: keras.Model,
    architecture: Architecture,
    split: Split,
    *,
    epochs: int,
    rng: np.random.Generator,
) -> Iterator[Epoch]:
    """Train a network in place, and yield each epoch's metrics.

    Args:
        model: The network.
        architecture: Its training recipe.
        split: Training and validation images.
        epochs: Number of epochs.
        rng: Random generator for shuffling and augmentation.

    Raises:
        TrainingError: If the loss is NaN or infinite.
    """
    optimizer = architecture.optimizer()
    optimizer.build(model.trainable_variables)
    classes = model.output_shape[-1]
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=architecture.label_smoothing)
    mean_loss = keras.metrics.SparseCategoricalCrossentropy()
    mean_accuracy = keras.metrics.SparseCategoricalAccuracy()

    # A custom loop has less overhead per step than Model.fit and reads from any iterator. train_step is traced for
    # one batch size, validation_step for any.
    @tf.function  # type: ignore[untyped-decorator]
    def train_step(images: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            probabilities = model(images, training=True)
            objective = smoothed(tf.one_hot(tf.cast(labels, tf.int32), classes), probabilities)
        gradients = tape.gradient(objective, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        mean_loss.update_state(labels, probabilities)
        mean_accuracy.update_state(labels, probabilities)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def validation_step(images: tf.Tensor, labels: tf.Tensor) -> None:
        probabilities = model(images, training=False)
        mean_loss.update_state(labels, probabilities)
        mean_accuracy.update_state(labels, probabilities)

    def mean_metrics(number: int) -> tuple[float, float]:
        """Return loss and accuracy since the metrics were reset."""
        value = float(mean_loss.result())
        if not isfinite(value):
            raise TrainingError(
                f"training diverged: loss {value} in epoch {number} at learning rate {architecture.learning_rate:g}; "
                "lower learning_rate"
            )
        return value, float(mean_accuracy.result())

    steps = split.count_batches(architecture.batch_size)
    for number in range(1, epochs + 1):
        started, due = time.monotonic(), throttle(PROGRESS_SECONDS)
        mean_loss.reset_state()
        mean_accuracy.reset_state()
        for step, batch in enumerate(split.training_batches(architecture.batch_size, rng)):
            done = ((number - 1) * steps + step) / (epochs * steps)
            optimizer.learning_rate = architecture.learning_rate * architecture.schedule(done)
            images = batch.images
            # Unseen images need no augmentation: it helps from the second epoch on.
            if number > 1:
                if architecture.flip:
                    flip_half(images, rng)
                if architecture.shift:
                    images = shift(images, architecture.shift, rng)
            train_step(images, batch.labels)
            if due():
                progress(f"epoch {number}/{epochs}: step {step + 1}/{steps}, loss {mean_metrics(number)[0]:.4f}", done)
        loss, accuracy = mean_metrics(number)

        validation_loss = validation_accuracy = None
        if split.validation_count:
            mean_loss.reset_state()
            mean_accuracy.reset_state()
            for batch in split.validation_batches(architecture.batch_size):
                validation_step(batch.images, batch.labels)
            validation_loss, validation_accuracy = mean_metrics(number)
        yield Epoch(number, loss, accuracy, validation_loss, validation_accuracy, time.monotonic() - started)
