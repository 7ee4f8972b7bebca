"""Train an image classifier with Keras and write it as a model folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.runtime.errors import DataError, TrainingError
from kfp_azureml.runtime.outputs import atomic_file, atomic_folder
from kfp_azureml.runtime.step import progress, report
from kfp_azureml.steps.train.architectures import ARCHITECTURES, Architecture
from kfp_azureml.steps.train.history import Epoch, write_history
from kfp_azureml.steps.train.mlflow_tracking import track
from kfp_azureml.steps.train.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    from kfp_azureml.imagesets.image_set import ImageSet
    from kfp_azureml.models.model_folder import Manifest

NAME = "train"

CHECKED_IMAGES = 256
"""Number of training images on which Keras and ONNX Runtime are compared."""


@dataclass(frozen=True)
class TrainResult:
    """The result of training.

    Attributes:
        manifest: Manifest of the model folder, with the last epoch's metrics.
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


@dataclass(frozen=True)
class TrainingSettings:
    """The component's settings for training, validated; see there for the fields.

    Raises:
        TrainingError: If a setting is out of range.
    """

    epochs: int
    architecture: str
    batch_size: int
    learning_rate: float
    validation_fraction: float
    seed: int

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise TrainingError(f"architecture is {self.architecture!r}; must be {' or '.join(sorted(ARCHITECTURES))}")
        if self.epochs < 1:
            raise TrainingError(f"epochs is {self.epochs}; must be 1 or more")
        if self.batch_size < 0:
            raise TrainingError(f"batch_size is {self.batch_size}; must be 1 or more, or 0 for the default")
        if not 0 <= self.learning_rate < float("inf"):
            raise TrainingError(f"learning_rate is {self.learning_rate}; must be positive, or 0 for the default")
        if not 0 <= self.validation_fraction < 1:
            raise TrainingError(f"validation_fraction is {self.validation_fraction}; must be 0 or more and less than 1")
        if not 0 <= self.seed < 2**32:
            raise TrainingError(f"seed is {self.seed}; must be 0 to 2^32 - 1")

    @property
    def recipe(self) -> Architecture:
        """The architecture, with its defaults replaced by what is set."""
        recipe = ARCHITECTURES[self.architecture]
        return replace(
            recipe,
            batch_size=self.batch_size or recipe.batch_size,
            learning_rate=self.learning_rate or recipe.learning_rate,
        )


def train_model(
    input_data: Path, output_model: Path, settings: TrainingSettings, *, output_history: Path | None
) -> TrainResult:
    """Train a network and write a model folder; the same seed gives the same weights on the same machine.

    See the component `train` for the arguments.

    Raises:
        TrainingError: If the images do not fit the architecture, or the loss is not a number.
        DataError: If the set is missing, damaged, too small or of one class only.
        ModelError: If the exported network does not answer as Keras does.
    """
    from kfp_azureml.imagesets.reader import open_image_set

    recipe = settings.recipe
    images = open_image_set(input_data)
    _check_images(input_data, images, settings.architecture)

    progress("loading TensorFlow", 0.0)
    import_tensorflow()
    import keras
    import numpy as np

    from kfp_azureml.steps.train.batches import Split
    from kfp_azureml.steps.train.export import write_model_folder
    from kfp_azureml.steps.train.training_loop import fit

    split = Split(images, settings.validation_fraction, settings.seed)
    if not split.training_count or (settings.validation_fraction and not split.validation_count):
        raise DataError(
            f"{input_data}: {images.info.count} images are too few for "
            f"validation_fraction={settings.validation_fraction:g}"
        )
    keras.utils.set_random_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    model = recipe.build(images.info.shape, len(images.info.classes))
    progress(
        f"{settings.architecture}: {model.count_params():,} parameters; {split.training_count:,} images for training, "
        f"{split.validation_count:,} for validation",
        0.0,
    )

    parameters = asdict(settings) | {"batch_size": recipe.batch_size, "learning_rate": recipe.learning_rate}
    history: list[Epoch] = []
    with atomic_folder(output_model) as folder, track(parameters) as log:
        for epoch in fit(model, recipe, split, epochs=settings.epochs, rng=rng):
            history.append(epoch)
            progress(_describe(epoch, settings.epochs), epoch.number / settings.epochs)
            log(epoch)
        manifest = write_model_folder(
            folder,
            model,
            architecture=settings.architecture,
            flip_tta=recipe.flip and settings.epochs > 1,  # training images are flipped from the second epoch on
            classes=images.info.classes,
            metrics=history[-1].metrics(),
            samples=images.read_group(0).images[:CHECKED_IMAGES],
        )
        if output_history:
            with atomic_file(output_history) as page:
                write_history(page, f"Training of {settings.architecture}", history)
    report(training_page=str(output_history) if output_history else None)
    return TrainResult(manifest, tuple(history))


def _check_images(input_data: Path, images: ImageSet, architecture: str) -> None:
    labels = images.read_labels()
    if (labels == labels[0]).all():
        raise DataError(f"{input_data}: all {len(labels)} images have the same class; at least two are needed")
    height, width, _ = images.info.shape
    min_size = ARCHITECTURES[architecture].min_size
    if min(height, width) < min_size:
        raise TrainingError(
            f"{input_data}: images are {height}x{width}; architecture {architecture} needs at least "
            f"{min_size}x{min_size} pixels"
        )


def _describe(epoch: Epoch, epochs: int) -> str:
    line = f"epoch {epoch.number}/{epochs}: loss {epoch.loss:.4f}, accuracy {epoch.accuracy:.4f}"
    if epoch.validation_loss is not None:
        line += f", validation loss {epoch.validation_loss:.4f}, accuracy {epoch.validation_accuracy:.4f}"
    return f"{line} ({epoch.seconds:.1f} s)"
