"""The Kubeflow face of train."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from kfp_azureml.images import ML_IMAGE

DISPLAY_NAME = "Train Image Classification Keras"
# For pipelines. The signature repeats the value: kfp runs its source without this module.
DEFAULT_ARCHITECTURE = "lean"


@dsl.component(base_image=ML_IMAGE, install_kfp_package=False)
def train(
    input_data: Input[Dataset],
    output_model: Output[Model],
    metrics: Output[Metrics],
    history: Output[HTML],
    epochs: int = 10,
    architecture: str = "lean",
    batch_size: int = 0,
    learning_rate: float = 0.0,
    validation_fraction: float = 0.1,
    seed: int = 13,
) -> None:
    """Train an image classifier with Keras, and export it to ONNX.

    The metrics of each epoch also go to MLflow where MLFLOW_TRACKING_URI is set.

    Args:
        input_data: The training set, as prep writes it.
        output_model: The model folder: model.keras, model.onnx (checked against Keras) and the manifest model.json.
        metrics: Loss and accuracy of the last epoch, on the training and on the validation images.
        history: The curves of loss and accuracy, and their table.
        epochs: How often to go through the training images.
        architecture: `lean`, the default, needs a fraction of the time of `original`, the Azure ML example's network.
        batch_size: Batch size; 0 selects the architecture's default.
        learning_rate: Peak learning rate; 0 selects the architecture's default.
        validation_fraction: The share of images to hold out and measure on after each epoch; 0 trains on all.
        seed: Of the weights, the split, the order of the images and the augmentation.
    """
    from pathlib import Path

    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.train.train import NAME, train_model

    with run_step(NAME):
        result = train_model(
            Path(input_data.path),
            Path(output_model.path),
            output_history=Path(history.path),
            epochs=epochs,
            architecture=architecture,
            batch_size=batch_size or None,
            learning_rate=learning_rate or None,
            validation_fraction=validation_fraction,
            seed=seed,
        )
        manifest = result.manifest
        for name, value in manifest.metrics.items():
            metrics.log_metric(name, value)
        output_model.framework = "keras"
        output_model.metadata.update(
            architecture=manifest.architecture,
            classes=list(manifest.classes),
            image_shape=list(manifest.input.shape[1:]),
            versions=manifest.versions,
            **manifest.metrics,
        )
