"""A pipeline that only prepares images and trains."""

from kfp import dsl

from kfp_azureml.components import prep, train


@dsl.pipeline(name="train-only")
def train_only(input_data: str, epochs: int = 2, checkpoint: str = "", checkpoint_steps: int = 0):
    """Train on a few images.

    Args:
        input_data: Folder of the images.
        epochs: Number of epochs.
        checkpoint: Folder for the checkpoints.
        checkpoint_steps: Number of steps between them.
    """
    prepared = prep(input_data=input_data)
    train(
        input_data=prepared.outputs["training_data"],
        epochs=epochs,
        batch_size=64,
        checkpoint=checkpoint,
        checkpoint_steps=checkpoint_steps,
    )
