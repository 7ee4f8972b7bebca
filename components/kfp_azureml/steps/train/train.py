"""Train an image classifier with Keras: from an image set to a model folder."""

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
"""On how many training images the exported network must answer as Keras does."""


@dataclass(frozen=True)
class TrainResult:
    """What training gave.

    Attributes:
        manifest: Of the model folder that was written; its metrics are the last epoch's.
        history: The figures of each epoch.
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
    """Train a network and write it as a model folder; the same seed on the same machine gives the same weights.

    Args:
        input_data: A folder with the training set, as prep writes it.
        output_model: The model folder to make; see `kfp_azureml.models.model_folder`.
        output_history: An HTML page to write, with the curves of loss and accuracy.
        epochs: How often to go through the training images.
        architecture: A key of `architectures.ARCHITECTURES`.
        batch_size: Batch size; None selects the architecture's default.
        learning_rate: Peak learning rate; None selects the architecture's default.
        validation_fraction: The share of images to hold out and measure on after each epoch; 0 trains on all.
        seed: Of the weights, the split, the order of the images and the augmentation.

    Returns:
        The manifest and the history.

    Raises:
        TrainingError: If a setting is wrong, the images do not fit the architecture, or the loss is not a number.
        DataError: If the set is missing, damaged, too small or of one class only.
        ModelError: If the exported network does not answer as Keras does.
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
            flip_tta=recipe.flip and epochs > 1,  # flips begin with the second epoch
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
        raise TrainingError(f"architecture is {architecture!r}; there are {', '.join(sorted(ARCHITECTURES))}")
    if epochs < 1:
        raise TrainingError(f"epochs is {epochs}; at least 1 is needed")
    if batch_size is not None and batch_size < 1:
        raise TrainingError(f"batch_size is {batch_size}; at least 1 is needed")
    if learning_rate is not None and not 0 < learning_rate < float("inf"):
        raise TrainingError(f"learning_rate is {learning_rate}; a positive number is needed")
    if not 0 <= validation_fraction < 1:
        raise TrainingError(f"validation_fraction is {validation_fraction}; 0 or more and less than 1 is needed")
    if not 0 <= seed < 2**32:
        raise TrainingError(f"seed is {seed}; 0 to 2^32 - 1 is needed")
    return ARCHITECTURES[architecture]


def _check_images(input_data: Path, images: ImageSet, architecture: str) -> None:
    labels = images.read_labels()
    if (labels == labels[0]).all():
        raise DataError(f"{input_data}: all {len(labels)} images are of one class; at least two classes are needed")
    height, width, _ = images.info.shape
    smallest = ARCHITECTURES[architecture].smallest
    if min(height, width) < smallest:
        raise TrainingError(
            f"architecture {architecture} needs images of at least {smallest}x{smallest} pixels; "
            f"those of {input_data} have {height}x{width}"
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
