"""Where the time of a training goes: `python -m bench.training_speed ARCHITECTURE SIDE CHANNELS IMAGES BATCH_SIZE`.

Prints as JSON: arithmetic of training steps and of sgemm in GFLOP for each CPU second, of the same process, and the
share of an epoch's wall time in which the network waits for its next batch, augmentation included.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kfp_azureml.imagesets.image_set import images_per_group
from kfp_azureml.imagesets.parquet import write_parquet
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.steps.train.tensorflow_import import import_tensorflow

MATRIX = 2048
EPOCHS = 3
"""The first traces the step; images are changed from the second on."""


def main() -> None:
    """Measure, and print the figures."""
    architecture, (side, channels, count, batch_size) = sys.argv[1], map(int, sys.argv[2:6])
    import_tensorflow()
    import keras
    import tensorflow as tf

    from kfp_azureml.steps.train import training_loop
    from kfp_azureml.steps.train.architectures import ARCHITECTURES
    from kfp_azureml.steps.train.batches import Split
    from kfp_azureml.steps.train.best_epoch import BestEpoch
    from kfp_azureml.steps.train.collectives import Workers
    from kfp_azureml.steps.train.resuming import Generators, Resuming

    shape = (side, side, channels)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        _write_images(Path(folder), shape, count)
        split = WaitingSplit(Split(open_image_set(Path(folder)), 0.0, 1))
        recipe = replace(ARCHITECTURES[architecture], batch_size=batch_size)
        model = recipe.build(shape, 10)
        forward = tf.function(lambda images: model(images, training=True)).get_concrete_function(
            tf.TensorSpec((batch_size, *shape), tf.uint8)
        )
        generators = Generators(1, Workers())
        loop: Any = training_loop
        loop.augment = split.timed(loop.augment)
        epochs = loop.fit(
            *(model, recipe, split),
            epochs=EPOCHS,
            frozen_epochs=0,
            class_weights=None,
            workers=Workers(),
            generators=generators,
            resuming=Resuming(generators, Workers(), BestEpoch(0)),
        )
        for _ in range(EPOCHS - 1):
            next(epochs)
        split.seconds = split.cpu = 0.0
        started, cpu = time.monotonic(), time.process_time()
        next(epochs)
        wall, cpu = time.monotonic() - started, time.process_time() - cpu
    steps = split.count_batches(batch_size)
    # A step is a forward pass, and twice that backward.
    arithmetic = 3 * _operations(forward) * steps
    figures = {
        "waiting_share": split.seconds / wall,
        "data_cpu_share": split.cpu / cpu,
        "images_per_cpu_second": steps * batch_size / cpu,
        "step_gflop_per_cpu_second": arithmetic / (cpu - split.cpu) / 1e9,
        "sgemm_gflop_per_cpu_second": _sgemm(tf) / 1e9,
    }
    print(json.dumps(figures))  # noqa: T201 - read by the bench
    keras.backend.clear_session()


class WaitingSplit:
    """A split that measures how long its batches take."""

    def __init__(self, split: Any) -> None:
        self._split = split
        self.seconds = self.cpu = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._split, name)

    def training_batches(self, *arguments: Any) -> Iterator[Any]:
        """Yield the batches of the split."""
        draw = self.timed(partial(next, iter(self._split.training_batches(*arguments)), None))
        while (batch := draw()) is not None:
            yield batch

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, with its time added to that of the data."""

        def call(*arguments: Any) -> Any:
            started, cpu = time.monotonic(), time.thread_time()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.monotonic() - started
                self.cpu += time.thread_time() - cpu

        return call


def _write_images(folder: Path, shape: tuple[int, int, int], count: int) -> None:
    rng = np.random.default_rng(1)
    group = images_per_group(shape)

    def chunks() -> Iterator[tuple[bytes, bytes]]:
        for start in range(0, count, group):
            size = min(group, count - start)
            images, labels = rng.integers(0, 256, (size, *shape), np.uint8), rng.integers(0, 10, size, np.uint8)
            yield images.tobytes(), labels.tobytes()

    write_parquet(folder / "images.parquet", shape, tuple("0123456789"), chunks())


def _operations(function: Any) -> int:
    """Return the floating-point operations of a traced function: two for a multiplication and an addition."""
    from tensorflow.python.profiler.model_analyzer import profile
    from tensorflow.python.profiler.option_builder import ProfileOptionBuilder

    options = ProfileOptionBuilder(ProfileOptionBuilder.float_operation()).with_empty_output().build()
    return int(profile(function.graph, options=options).total_float_ops)


def _sgemm(tf: Any) -> float:
    """Return the operations of a matrix product of TensorFlow for each CPU second."""
    matrix = tf.random.normal((MATRIX, MATRIX))
    product: Callable[[], Any] = tf.function(lambda: tf.matmul(matrix, matrix))
    product().numpy()
    cpu = time.process_time()
    for _ in range(5):
        product().numpy()
    return float(5 * 2 * MATRIX**3 / (time.process_time() - cpu))


if __name__ == "__main__":
    main()
