"""Train a small convolutional network on a CSV of labels and pixels."""

from pathlib import Path

from mldesigner import Input, Output, command_component

FOLDER = Path(__file__).parent


@command_component(
    name="train_keras",
    version="1",
    display_name="Train Keras",
    environment={
        "conda_file": FOLDER / "conda.yaml",
        "image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04",
    },
)
def train_keras(input_data: Input(type="uri_folder"), output_model: Output(type="uri_folder"), epochs=10):
    from training import train  # Keras is in the job's environment, not in that of who submits it

    train(Path(input_data, "train.csv"), Path(output_model, "model.keras"), epochs)
