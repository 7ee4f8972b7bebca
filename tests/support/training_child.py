"""Train in a process of its own, without an export: python training_child.py DATA WEIGHTS SETTINGS.

WEIGHTS.RANK.npz is written at the end. SETTINGS is JSON: epochs, batch_size, and optionally checkpoint, every, `die`
([rank, epoch, signal, marker]: the signal that a worker sends itself after an epoch, if the marker does not exist) and
`exact`. With `exact` each worker takes its part of the batches that one worker alone draws, and the network has
neither batch normalization nor augmentation: then several workers do the same as one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from kfp_azureml.imagesets.image_set import Batch
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.runtime.step import progress, run_step
from kfp_azureml.steps.train.architectures import ARCHITECTURES, Architecture
from kfp_azureml.steps.train.batches import Split
from kfp_azureml.steps.train.best_epoch import BestEpoch
from kfp_azureml.steps.train.checkpoint import Checkpoints
from kfp_azureml.steps.train.cluster import cluster_from_env
from kfp_azureml.steps.train.collectives import Workers
from kfp_azureml.steps.train.tensorflow_import import import_tensorflow


class SharedBatches(Split):
    """A split whose batches are a worker's part of those that one worker alone gets."""

    def training_batches(self, batch_size, _rng, common=None, workers=None, _state=None):  # type: ignore[no-untyped-def]
        part = workers.part(batch_size)
        return (
            Batch(batch.images[part.start : part.stop], batch.labels[part.start : part.stop])
            for batch in super().training_batches(batch_size, common)
        )


def build_exact(shape: tuple[int, int, int], classes: int) -> Any:
    """Build a network without layers that depend on the rest of the batch."""
    import keras
    from keras import layers

    image = keras.Input(shape, dtype="uint8", name="image")
    features = layers.Rescaling(1 / 255)(image)
    features = layers.Conv2D(8, 3, activation="relu")(features)
    features = layers.GlobalMaxPooling2D()(layers.Conv2D(16, 3, activation="relu")(features))
    return keras.Model(image, layers.Dense(classes, activation="softmax")(features))


def main() -> None:
    data, weights, text = sys.argv[1:]
    settings = json.loads(text)
    with run_step("train"):
        workers = import_tensorflow(cluster_from_env())
        with workers.losses():
            train(Path(data), f"{weights}.{workers.rank}.npz", settings, workers)


def train(data: Path, weights: str, settings: dict[str, Any], workers: Workers) -> None:
    import keras
    import numpy as np

    from kfp_azureml.steps.train import training_loop
    from kfp_azureml.steps.train.resuming import Generators, Resuming

    exact = settings.get("exact")
    recipe: Architecture = replace(ARCHITECTURES["lean"], batch_size=settings["batch_size"])
    if exact:
        recipe = replace(recipe, build=build_exact, augment=())
    images = open_image_set(data)
    split = (SharedBatches if exact else Split)(images, settings.get("fraction", 0.1), 1)
    keras.utils.set_random_seed(settings.get("seed", 13))
    model = recipe.build(images.info.shape, len(images.info.classes))
    checkpoints = (
        Checkpoints(settings["checkpoint"], {"epochs": settings["epochs"]}) if "checkpoint" in settings else None
    )
    generators, best = Generators(settings.get("seed", 13), workers), BestEpoch(1000)
    resuming = Resuming(generators, workers, best, checkpoints, settings.get("every", 0))
    began, cpu = time.monotonic(), time.process_time()
    for epoch in training_loop.fit(
        model,
        recipe,
        split,
        epochs=settings["epochs"],
        frozen_epochs=0,
        class_weights=None,
        workers=workers,
        generators=generators,
        resuming=resuming,
    ):
        best.ends_with(epoch, model)
        progress(f"epoch {epoch.number}")
        if "die" in settings:
            rank, number, signal, marker = settings["die"]
            if (rank, number) == (workers.rank, epoch.number) and not Path(marker).exists():
                Path(marker).touch()
                os.kill(os.getpid(), signal)
    seconds = time.monotonic() - began, time.process_time() - cpu
    history = [
        [epoch.loss, epoch.accuracy, epoch.validation_loss, epoch.validation_accuracy] for epoch in resuming.history
    ]
    np.savez(weights, *model.get_weights(), history=history, seconds=seconds)
    workers.wait_for_all()


if __name__ == "__main__":
    main()
