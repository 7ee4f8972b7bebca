"""Train an image classifier with Keras and write it as a model folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kfp_azureml.runtime.errors import DataError, TrainingError
from kfp_azureml.runtime.outputs import whole_file, whole_folder
from kfp_azureml.runtime.step import progress, report, run_step
from kfp_azureml.steps.train.architectures import ARCHITECTURES, DEFAULT_ARCHITECTURE, Architecture
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


def train_model(
    input_data: Path,
    output_model: Path,
    *,
    output_history: Path | None = None,
    epochs: int = 10,
    architecture: str = DEFAULT_ARCHITECTURE,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    validation_fraction: float = 0.1,
    seed: int = 13,
) -> TrainResult:
    """Train a network and write it as a model folder.

    The same seed on the same machine gives the same weights.

    Args:
        input_data: Folder with the training set, as written by prep.
        output_model: Model folder to create; see `kfp_azureml.models.model_folder`.
        output_history: HTML page with charts of loss and accuracy to write.
        epochs: Number of passes over the training images.
        architecture: A key of `architectures.ARCHITECTURES`.
        batch_size: Batch size; None selects the architecture's default.
        learning_rate: Peak learning rate; None selects the architecture's default.
        validation_fraction: Fraction of images held out for validation; 0 trains on all.
        seed: Random seed of weights, split, shuffling and augmentation.

    Raises:
        TrainingError: If a setting is invalid, the images are too small for the architecture, or training diverges.
        DataError: If the set is missing, damaged, too small or has one class only.
        ModelError: If predictions of the ONNX export differ from those of Keras.
    """
    from kfp_azureml.imagesets.reader import open_image_set

    recipe = _check_settings(epochs, architecture, batch_size, learning_rate, validation_fraction, seed)
    images = open_image_set(input_data)
    _check_images(input_data, images, architecture)
    size = recipe.batch_size if batch_size is None else batch_size
    peak = recipe.learning_rate if learning_rate is None else learning_rate

    progress("loading TensorFlow", 0.0)
    import_tensorflow()
    import keras
    import numpy as np

    from kfp_azureml.steps.train.batches import Split
    from kfp_azureml.steps.train.export import write_model_folder
    from kfp_azureml.steps.train.training_loop import fit

    split = Split(images, validation_fraction, seed)
    if not split.training_count or (validation_fraction and not split.validation_count):
        raise DataError(
            f"{input_data}: {images.info.count} images are too few for validation_fraction={validation_fraction:g}"
        )
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    model = recipe.build(images.info.shape, len(images.info.classes))
    progress(
        f"{architecture}: {model.count_params():,} parameters; {split.training_count:,} images for training, "
        f"{split.validation_count:,} for validation",
        0.0,
    )

    parameters = {
        "architecture": architecture,
        "epochs": epochs,
        "batch_size": size,
        "learning_rate": peak,
        "validation_fraction": validation_fraction,
        "seed": seed,
    }
    history: list[Epoch] = []
    with whole_folder(output_model) as folder, track(parameters) as log:
        for epoch in fit(model, recipe, split, epochs=epochs, batch_size=size, learning_rate=peak, rng=rng):
            history.append(epoch)
            progress(_describe(epoch, epochs), epoch.number / epochs)
            log(epoch)
        manifest = write_model_folder(
            folder,
            model,
            architecture=architecture,
            flip_tta=recipe.flip and epochs > 1,  # training images are flipped from the second epoch on
            classes=images.info.classes,
            metrics=history[-1].metrics(),
            samples=images.read_group(0).images[:CHECKED_IMAGES],
        )
        if output_history:
            with whole_file(output_history) as page:
                write_history(page, f"Training of {architecture}", history)
    report(training_page=str(output_history) if output_history else None)
    return TrainResult(manifest, tuple(history))


def _check_settings(
    epochs: int,
    architecture: str,
    batch_size: int | None,
    learning_rate: float | None,
    validation_fraction: float,
    seed: int,
) -> Architecture:
    if architecture not in ARCHITECTURES:
        raise TrainingError(f"architecture is {architecture!r}; expected one of {', '.join(sorted(ARCHITECTURES))}")
    if epochs < 1:
        raise TrainingError(f"epochs is {epochs}; expected at least 1")
    if batch_size is not None and batch_size < 1:
        raise TrainingError(f"batch_size is {batch_size}; expected at least 1")
    if learning_rate is not None and not 0 < learning_rate < float("inf"):
        raise TrainingError(f"learning_rate is {learning_rate}; expected a positive number")
    if not 0 <= validation_fraction < 1:
        raise TrainingError(f"validation_fraction is {validation_fraction}; expected 0 or more and less than 1")
    if not 0 <= seed < 2**32:
        raise TrainingError(f"seed is {seed}; expected 0 to 2^32 - 1")
    return ARCHITECTURES[architecture]


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


@click.command()
@click.option("--input-data", type=click.Path(path_type=Path), required=True, help="Folder with the training set.")
@click.option("--output-model", type=click.Path(path_type=Path), required=True, help="Model folder to make.")
@click.option("--output-history", type=click.Path(path_type=Path), help="HTML page with the curves to write.")
@click.option("--epochs", default=10, show_default=True, help="How often to go through the training images.")
@click.option(
    "--architecture",
    type=click.Choice(sorted(ARCHITECTURES)),
    default=DEFAULT_ARCHITECTURE,
    show_default=True,
    help="The network and its recipe.",
)
@click.option("--batch-size", type=int, help="Images a step.  [default: the architecture's own]")
@click.option("--learning-rate", type=float, help="Peak of the learning rate.  [default: the architecture's own]")
@click.option("--validation-fraction", default=0.1, show_default=True, help="Share of images to hold out; 0 for none.")
@click.option("--seed", default=13, show_default=True, help="Of weights, split, order and augmentation.")
def main(**options: Any) -> None:
    """Train an image classifier with Keras."""
    with run_step(NAME):
        train_model(**options)


if __name__ == "__main__":
    main()
