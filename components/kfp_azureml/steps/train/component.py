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
    initial_weights: str = "",
    initial_weights_sha256: str = "",
    frozen_epochs: int = 0,
    augment: list[str] = [],  # noqa: B006 - kfp needs the default itself
    class_weights: str = "none",
    patience: int = 0,
    model_format: str = "folder",
    use_azure_credentials: bool = False,
    checkpoint: str = "",
    checkpoint_steps: int = 0,
) -> None:
    """Train an image classifier with Keras, and export it to ONNX.

    The metrics of each epoch also go to MLflow if MLFLOW_TRACKING_URI is set.

    Args:
        input_data: Training set, as written by prep.
        output_model: Model folder: model.keras, model.onnx (checked against Keras) and the manifest model.json.
        metrics: Loss and accuracy, on training and validation images, of the epoch whose weights the model has.
        history: Loss and accuracy by epoch, as curves and as a table.
        epochs: Number of passes over the training images.
        architecture: Network and training recipe: for small images `lean`, or `original`, that of the Azure ML example;
            for photos `mobilenet_v3_small`, `mobilenet_v3_large`, `efficientnet_v2_b0`, `resnet50_v2` or
            `convnext_tiny`; or package.module:function, which builds a network of your own.
        batch_size: Batch size; 0 selects the architecture's default, or less for a small set.
        learning_rate: Peak learning rate; 0 selects the architecture's default.
        validation_fraction: Share of images held out for validation, 0 or more and less than 1; 0 trains on all.
        seed: Random seed of weights, validation split, image order and augmentation.
        initial_weights: Weights or model file of Keras to start from, for a network for photos: a path, or a URI such
            as abfss://, s3:// or https://; empty starts from random weights. Nothing is downloaded from elsewhere.
        initial_weights_sha256: Expected sha256 of this file; empty does not check it.
        frozen_epochs: Number of first epochs in which only the head is trained; then all is, at a tenth of the rate.
        augment: Random changes of training images: any of `flips`, `shifts`, `crops` and `colour`, or `none`; empty
            selects the architecture's default.
        class_weights: `balanced` gives each class the same weight, `none` each image.
        patience: Number of epochs without a lower validation loss after which training ends, and the best epoch is
            kept; 0 trains all epochs and keeps the last.
        model_format: `folder` for model.keras, model.onnx and model.json; `mlflow` for an MLflow model of model.onnx,
            which Azure ML deploys without a script; or `both` in one folder.
        use_azure_credentials: Access Azure storage with the azcreds secret or workload identity.
        checkpoint: Folder for the state of training after each epoch, with which a step that is run again goes on: a
            URI such as abfss:// or s3://, or a path on a mounted volume; empty saves none.
        checkpoint_steps: Number of training steps between two more checkpoints within an epoch; 0 for none.
    """
    from pathlib import Path

    from kfp_azureml.runtime.step import run_step
    from kfp_azureml.steps.train.settings import TrainingSettings
    from kfp_azureml.steps.train.train import NAME, train_model

    with run_step(NAME):
        settings = TrainingSettings(
            epochs=epochs,
            architecture=architecture,
            batch_size=batch_size,
            learning_rate=learning_rate,
            validation_fraction=validation_fraction,
            seed=seed,
            initial_weights=initial_weights,
            initial_weights_sha256=initial_weights_sha256,
            frozen_epochs=frozen_epochs,
            augment=augment,
            class_weights=class_weights,
            patience=patience,
            model_format=model_format,
            use_azure_credentials=use_azure_credentials,
            checkpoint=checkpoint,
            checkpoint_steps=checkpoint_steps,
        )
        result = train_model(
            Path(input_data.path), Path(output_model.path), settings, output_history=Path(history.path)
        )
        if result is None:  # of several workers only the first has a result
            return
        for name, value in result.manifest.metrics.items():
            metrics.log_metric(name, value)
        output_model.framework = "keras"
        output_model.metadata.update(result.metadata())
