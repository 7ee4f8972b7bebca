"""KFP component train."""

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output

from kfp_azureml.images import ML_IMAGE

DISPLAY_NAME = "Train Image Classification Keras"


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

    The metrics of each epoch also go to MLflow if MLFLOW_TRACKING_URI is set.

    Args:
        input_data: Training set, as written by prep.
        output_model: Model folder: model.keras, model.onnx (checked against Keras) and the manifest model.json.
        metrics: Loss and accuracy of the last epoch, on training and validation images.
        history: Loss and accuracy by epoch, as curves and as a table.
        epochs: Number of passes over the training images.
        architecture: Network and training recipe: `lean`, or `original`, that of the Azure ML example.
        batch_size: Batch size; 0 selects the architecture's default.
        learning_rate: Peak learning rate; 0 selects the architecture's default.
        validation_fraction: Share of images held out for validation, 0 or more and less than 1; 0 trains on all.
        seed: Random seed of weights, validation split, image order and augmentation.
    """
    from pathlib import Path

    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.train.train import NAME, TrainingSettings, train_model

    with run_step(NAME):
        settings = TrainingSettings(epochs, architecture, batch_size, learning_rate, validation_fraction, seed)
        result = train_model(
            Path(input_data.path), Path(output_model.path), settings, output_history=Path(history.path)
        )
        for name, value in result.manifest.metrics.items():
            metrics.log_metric(name, value)
        output_model.framework = "keras"
        output_model.metadata.update(result.metadata())
