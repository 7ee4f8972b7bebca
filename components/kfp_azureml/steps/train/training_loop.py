"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kfp_azureml.runtime.errors import TrainingError
from kfp_azureml.runtime.step import progress, throttle
from kfp_azureml.steps.train.architectures import FINE_TUNING, Architecture
from kfp_azureml.steps.train.augmentation import augment
from kfp_azureml.steps.train.batch_norm import recomputation, settling_steps
from kfp_azureml.steps.train.batches import Split
from kfp_azureml.steps.train.collectives import Workers
from kfp_azureml.steps.train.history import Epoch
from kfp_azureml.steps.train.photo_networks import BASE
from kfp_azureml.steps.train.resuming import METRICS, MODEL, OPTIMIZER, Generators, Resuming, average_statistics

PROGRESS_SECONDS = 5.0
"""Interval of progress messages."""
AVERAGED_BATCHES = 32
"""Number of batches over which the averages of batch normalization are recomputed after few steps."""


@dataclass(frozen=True)
class Phase:
    """Consecutive epochs that train the same variables, with one optimizer and one cycle of its schedule.

    Attributes:
        first: Number of its first epoch.
        last: Number of its last epoch.
        frozen: Whether the layer `BASE` is frozen.
        learning_rate: Peak learning rate.
    """

    first: int
    last: int
    frozen: bool
    learning_rate: float

    def progress(self, number: int, share: float) -> float:
        """Return the progress through the phase, 0 to 1, after a share of an epoch."""
        return (number - self.first + share) / (self.last - self.first + 1)


def phases(epochs: int, frozen_epochs: int, learning_rate: float) -> list[Phase]:
    """Return the phases of a training: the base frozen, then all at a lower rate; or one."""
    frozen = Phase(1, frozen_epochs, True, learning_rate)
    rest = Phase(frozen_epochs + 1, epochs, False, learning_rate * (FINE_TUNING if frozen_epochs else 1))
    return [phase for phase in (frozen, rest) if phase.first <= phase.last]


def fit(
    model: keras.Model,
    architecture: Architecture,
    split: Split,
    *,
    epochs: int,
    frozen_epochs: int,
    class_weights: NDArray[np.float32] | None,
    workers: Workers,
    generators: Generators,
    resuming: Resuming,
) -> Iterator[Epoch]:
    """Train a network in place, and yield each epoch's metrics, those of all workers.

    Before that they are appended to `resuming.history`. A checkpoint of the epoch is written when the next is wanted.

    Args:
        model: The network.
        architecture: Its training recipe.
        split: Training and validation images.
        epochs: Number of epochs.
        frozen_epochs: Number of epochs, of these the first, in which the layer `BASE` is frozen.
        class_weights: Weight of each class in the loss, (classes,); None for equal weights.
        workers: The workers that train together.
        generators: Random generators for shuffling and augmentation.
        resuming: Where training begins, and where its state is saved.

    Raises:
        TrainingError: If the loss is NaN or infinite.
    """
    classes = model.output_shape[-1]
    smoothed = keras.losses.CategoricalCrossentropy(label_smoothing=architecture.label_smoothing)
    mean_loss = keras.metrics.SparseCategoricalCrossentropy()
    mean_accuracy = keras.metrics.SparseCategoricalAccuracy()
    metrics = [*mean_loss.variables, *mean_accuracy.variables]
    share = len(workers.part(architecture.batch_size)) / architecture.batch_size

    def objective(labels: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        labels = tf.cast(labels, tf.int32)
        weights = None if class_weights is None else tf.gather(class_weights, labels)
        return smoothed(tf.one_hot(labels, classes), probabilities, sample_weight=weights)

    # A custom loop has less overhead per step than Model.fit and reads from any iterator. A training step is traced for
    # one batch size and one phase, validation_step for any.
    def build_training_step(optimizer: keras.optimizers.Optimizer) -> Callable[[NDArray[Any], NDArray[Any]], None]:
        variables = model.trainable_variables
        optimizer.build(variables)

        @tf.function  # type: ignore[untyped-decorator]
        def training_step(images: tf.Tensor, labels: tf.Tensor) -> None:
            with tf.GradientTape() as tape:
                probabilities = model(images, training=True)
                loss = objective(labels, probabilities)
                if workers.count > 1:  # the sum over the workers is the mean over the whole batch
                    loss *= share
            gradients = workers.sum_all(tape.gradient(loss, variables))
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            mean_loss.update_state(labels, probabilities)
            mean_accuracy.update_state(labels, probabilities)

        return training_step  # type: ignore[no-any-return]

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
    resuming.restore({MODEL: model.variables})
    for phase in phases(epochs, frozen_epochs, architecture.learning_rate):
        if phase.last < resuming.epoch:
            continue
        if frozen_epochs:
            model.get_layer(BASE).trainable = not phase.frozen
        optimizer = architecture.optimizer()
        training_step, recompute_averages = build_training_step(optimizer), recomputation(model)
        state = {MODEL: model.variables, OPTIMIZER: optimizer.variables, METRICS: metrics}
        for number in range(max(phase.first, resuming.epoch), phase.last + 1):
            mean_loss.reset_state()
            mean_accuracy.reset_state()
            resuming.restore(state)
            batches = resuming.batches(split, architecture.batch_size)
            started, due = time.monotonic() - resuming.seconds, throttle(PROGRESS_SECONDS)
            for step, batch in enumerate(islice(batches, steps - resuming.step), resuming.step):
                done = ((number - 1) * steps + step) / (epochs * steps)
                optimizer.learning_rate = phase.learning_rate * architecture.schedule(
                    phase.progress(number, step / steps)
                )
                # Unseen images need no augmentation: it helps from the second epoch on.
                images = augment(batch.images, architecture.augment, generators.own) if number > 1 else batch.images
                training_step(images, batch.labels)
                if due():
                    loss = mean_metrics(number)[0]
                    progress(f"epoch {number}/{epochs}: step {step + 1}/{steps}, loss {loss:.4f}", done)
                if resuming.is_due(step + 1) and step + 1 < steps:
                    resuming.save_within_epoch(number, step + 1, steps, time.monotonic() - started, batches, state)
            workers.sum_variables(metrics)
            loss, accuracy = mean_metrics(number)
            average_statistics(model.variables, workers)
            if number * steps < settling_steps(model):
                some = islice(
                    split.training_batches(architecture.batch_size, np.random.default_rng(0)), AVERAGED_BATCHES
                )
                recompute_averages(batch.images for batch in some)

            validation_loss = validation_accuracy = None
            if split.validation_count:
                mean_loss.reset_state()
                mean_accuracy.reset_state()
                for batch in split.validation_batches(architecture.batch_size, workers):
                    validation_step(batch.images, batch.labels)
                workers.sum_variables(metrics)
                validation_loss, validation_accuracy = mean_metrics(number)
            seconds = time.monotonic() - started
            resuming.history.append(Epoch(number, loss, accuracy, validation_loss, validation_accuracy, seconds))
            yield resuming.history[-1]
            # The next phase has an optimizer of its own.
            of_next = (MODEL, OPTIMIZER) if number < phase.last else (MODEL,)
            resuming.save_after_epoch(number, steps, {name: state[name] for name in of_next})
