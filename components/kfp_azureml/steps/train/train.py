"""Train an image classifier with Keras and write it as a model folder."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.imagesets.preprocessing import Preprocessing
from kfp_azureml.runtime.errors import DataError, TrainingError
from kfp_azureml.runtime.outputs import atomic_file, atomic_folder
from kfp_azureml.runtime.step import progress, report
from kfp_azureml.steps.train.augmentation import FLIPS
from kfp_azureml.steps.train.best_epoch import BestEpoch
from kfp_azureml.steps.train.cluster import cluster_from_env
from kfp_azureml.steps.train.history import Epoch, write_history
from kfp_azureml.steps.train.initial_weights import fetched_weights, load_initial_weights
from kfp_azureml.steps.train.mlflow_tracking import track
from kfp_azureml.steps.train.photo_networks import BASE
from kfp_azureml.steps.train.settings import BALANCED, TrainingSettings
from kfp_azureml.steps.train.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

    from kfp_azureml.imagesets.image_set import ImageSet
    from kfp_azureml.models.model_folder import Manifest
    from kfp_azureml.steps.train.batches import Split

NAME = "train"

CHECKED_IMAGES = 256
"""Number of training images on which Keras and ONNX Runtime are compared."""

FEW_STEPS = 50
"""Number of training steps below which a network has hardly learned anything, and a warning is given."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """The result of training.

    Attributes:
        manifest: Manifest of the model folder, with the metrics of the epoch whose weights it has.
        history: Metrics of each epoch.
    """

    manifest: Manifest
    history: tuple[Epoch, ...]

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of the model's artifact."""
        manifest = self.manifest
        return {
            "architecture": manifest.architecture,
            "classes": list(manifest.classes),
            "image_shape": list(manifest.input.shape[1:]),
            "versions": manifest.versions,
            **manifest.metrics,
        }


def train_model(
    input_data: Path, output_model: Path, settings: TrainingSettings, *, output_history: Path | None
) -> TrainResult | None:
    """Train a network and write a model folder; the same seed gives the same weights on the same machine.

    If the environment names other workers, it trains together with them; see `cluster_from_env`. Only the first writes.

    See the component `train` for the arguments.

    Returns:
        The result; None if this is not the first of several workers.

    Raises:
        TrainingError: If the images do not fit the architecture, or the loss is not a number.
        DataError: If the set is missing, damaged, too small or of one class only.
        ModelError: If the exported network does not answer as Keras does.
        WorkerLostError: If another worker ends or does not answer.
    """
    from kfp_azureml.imagesets.reader import open_image_set
    from kfp_azureml.steps.train.batches import Split

    cluster = cluster_from_env()
    images = open_image_set(input_data)
    _check_images(input_data, images, settings)
    split = Split(images, settings.validation_fraction, settings.seed)
    if not split.training_count or (settings.validation_fraction and not split.validation_count):
        raise DataError(
            f"{input_data}: {images.info.count} images are too few for "
            f"validation_fraction={settings.validation_fraction:g}"
        )

    with ExitStack() as stack:
        weights_file = stack.enter_context(fetched_weights(settings)) if settings.initial_weights else None
        progress(f"loading TensorFlow{f'; waiting for {cluster.count} workers' if cluster else ''}", 0.0)
        workers = import_tensorflow(cluster)
        stack.enter_context(workers.losses())
        import keras

        from kfp_azureml.steps.train.checkpoint import Checkpoints
        from kfp_azureml.steps.train.export import write_model_folder
        from kfp_azureml.steps.train.fingerprint import fingerprint
        from kfp_azureml.steps.train.resuming import Generators, Resuming
        from kfp_azureml.steps.train.training_loop import fit

        keras.utils.set_random_seed(settings.seed)
        generators = Generators(settings.seed, workers)
        recipe = settings.recipe(split.training_count)
        if workers.count > 1 and not workers.count <= recipe.batch_size <= split.training_count:
            raise TrainingError(
                f"batch_size is {recipe.batch_size}; with {workers.count} workers it must be {workers.count} to "
                f"{split.training_count}, the number of training images"
            )
        model = recipe.build(images.info.shape, len(images.info.classes))
        if weights_file:
            load_initial_weights(_base(model, settings), weights_file, settings)
        progress(
            f"{settings.architecture}: {model.count_params():,} parameters; {split.training_count:,} images for "
            f"training, {split.validation_count:,} for validation; batch size {recipe.batch_size}",
            0.0,
        )
        if (steps := settings.epochs * split.count_batches(recipe.batch_size)) < FEW_STEPS:
            logger.warning("only %d training steps; for a better model raise epochs or lower batch_size", steps)

        best = BestEpoch(settings.patience)
        checkpoints = None
        if settings.checkpoint:
            made_with = fingerprint(settings, recipe, model, images)
            checkpoints = Checkpoints(settings.checkpoint, made_with, settings.use_azure_credentials)
        resuming = Resuming(generators, workers, best, checkpoints, settings.checkpoint_steps)
        history = resuming.history
        folder = log = None
        if workers.is_first:
            folder = stack.enter_context(atomic_folder(output_model))
            log = stack.enter_context(track(settings.logged(recipe)))
            for epoch in history:
                log(epoch)
        for epoch in fit(
            model,
            recipe,
            split,
            epochs=settings.epochs,
            frozen_epochs=settings.frozen_epochs,
            class_weights=_balanced_weights(split) if settings.class_weights == BALANCED else None,
            workers=workers,
            generators=generators,
            resuming=resuming,
        ):
            progress(_describe(epoch, settings.epochs), epoch.number / settings.epochs)
            if log:
                log(epoch)
            if settings.patience and best.ends_with(epoch, model):
                progress(f"no lower validation loss for {settings.patience} epochs: training ends")
                break
        if folder is None:
            workers.wait_for_all()
            return None
        kept = best.restore(model) if settings.patience else history[-1]
        manifest = write_model_folder(
            folder,
            model,
            architecture=settings.architecture,
            model_format=settings.model_format,
            # Training images are flipped from the second epoch on.
            flip_tta=recipe.flip_tta and FLIPS in recipe.augment and kept.number > 1,
            classes=images.info.classes,
            encoded_images=images.info.preprocessing or Preprocessing.default(images.info.shape),
            metrics=kept.metrics(),
            samples=images.read_group(0).images[:CHECKED_IMAGES],
        )
        if output_history:
            with atomic_file(output_history) as page:
                write_history(page, f"Training of {settings.architecture}", history, kept)
        # The others stay until the result is there: their end would look like a loss.
        workers.wait_for_all()
    report(training_page=str(output_history) if output_history else None)
    return TrainResult(manifest, tuple(history))


def _check_images(input_data: Path, images: ImageSet, settings: TrainingSettings) -> None:
    labels = images.read_labels()
    if (labels == labels[0]).all():
        raise DataError(f"{input_data}: all {len(labels)} images have the same class; at least two are needed")
    height, width, _ = images.info.shape
    if min(height, width) < settings.min_size:
        raise TrainingError(
            f"{input_data}: images are {height}x{width}; architecture {settings.architecture} needs at least "
            f"{settings.min_size}x{settings.min_size} pixels"
        )


def _base(model: keras.Model, settings: TrainingSettings) -> keras.Layer:
    for layer in model.layers:
        if layer.name == BASE:
            return layer
    raise TrainingError(
        f"architecture {settings.architecture} has no layer named {BASE!r}, which initial_weights are loaded into"
    )


def _balanced_weights(split: Split) -> NDArray[np.float32]:
    """Return a weight for each class, inversely proportional to its images, 1 on average over the images."""
    import numpy as np

    counts = split.training_counts()
    present = np.count_nonzero(counts)
    weights: NDArray[np.float32] = (counts.sum() / (present * np.maximum(counts, 1))).astype(np.float32)
    return weights


def _describe(epoch: Epoch, epochs: int) -> str:
    line = f"epoch {epoch.number}/{epochs}: loss {epoch.loss:.4f}, accuracy {epoch.accuracy:.4f}"
    if epoch.validation_loss is not None:
        line += f", validation loss {epoch.validation_loss:.4f}, accuracy {epoch.validation_accuracy:.4f}"
    return f"{line} ({epoch.seconds:.1f} s)"
