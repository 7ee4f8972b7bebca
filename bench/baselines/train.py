"""The baseline's train: whole CSV in memory, 80/20 split, `Model.fit`, an HDF5 file.

Usage: train.py TRAINING_FOLDER MODEL_FOLDER EPOCHS
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import mlflow
import pandas as pd
from keras import callbacks, layers, models, utils
from sklearn.model_selection import train_test_split

mpl.use("Agg")
from matplotlib import pyplot as plt

CLASSES = 10


class LogToMlflow(callbacks.Callback):
    """Log loss and accuracy of each epoch."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Log an epoch."""
        mlflow.log_metrics({"Loss": logs["loss"], "Accuracy": logs["accuracy"]}, step=epoch)


def build() -> models.Model:
    """Build the network: 241,546 parameters."""
    return models.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu", kernel_initializer="he_normal"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Conv2D(128, 3, activation="relu"),
            layers.Dropout(0.4),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def main() -> None:
    """Train and save the network."""
    training, output = map(Path, sys.argv[1:3])
    (csv,) = training.glob("*.csv")
    data = pd.read_csv(csv, header=None)
    images, labels = data.iloc[:, 1:].to_numpy(), utils.to_categorical(data.iloc[:, 0].to_numpy(), CLASSES)
    images, validation_images, labels, validation_labels = train_test_split(
        images, labels, test_size=0.2, random_state=13
    )
    images = images.reshape(-1, 28, 28, 1).astype("float32") / 255
    validation_images = validation_images.reshape(-1, 28, 28, 1).astype("float32") / 255

    model = build()
    print(f"parameters: {model.count_params()}")  # noqa: T201 - read by the bench
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        images,
        labels,
        batch_size=256,
        epochs=int(sys.argv[3]),
        verbose=2,
        validation_data=(validation_images, validation_labels),
        callbacks=[LogToMlflow()],
    )
    loss, accuracy = model.evaluate(validation_images, validation_labels, verbose=0)
    print(f"validation loss {loss:.4f}, accuracy {accuracy:.4f}")  # noqa: T201

    output.mkdir(parents=True)
    plt.figure()
    for name in ("loss", "accuracy"):
        plt.plot(history.history[name], label=name)
    plt.legend()
    plt.savefig(output / "loss_accuracy.png")
    model.save(output / "image_classification_model.h5")


if __name__ == "__main__":
    main()
