"""Keras' example "Image classification from scratch", written anew for any number of classes.

A small Xception, read from class folders with `image_dataset_from_directory`, flips and rotations, Adam, 25 epochs.
Source: https://keras.io/examples/vision/image_classification_from_scratch/. Different: the images' own size.

Usage: photos.py FOLDER EPOCHS SEED, with FOLDER/train/CLASS/* and FOLDER/test/CLASS/*
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
from keras import layers

SIDE = 64
BATCH = 128
VALIDATION = 0.2


def build(classes: int) -> keras.Model:
    """Build the network."""
    image = keras.Input((SIDE, SIDE, 3))
    features = layers.Rescaling(1 / 255)(image)
    features = layers.Conv2D(128, 3, strides=2, padding="same")(features)
    features = layers.Activation("relu")(layers.BatchNormalization()(features))
    block_input = features
    for filters in (256, 512, 728):
        for _ in range(2):
            features = layers.Activation("relu")(features)
            features = layers.SeparableConv2D(filters, 3, padding="same")(features)
            features = layers.BatchNormalization()(features)
        features = layers.MaxPooling2D(3, strides=2, padding="same")(features)
        features = layers.add([features, layers.Conv2D(filters, 1, strides=2, padding="same")(block_input)])
        block_input = features
    features = layers.SeparableConv2D(1024, 3, padding="same")(features)
    features = layers.Activation("relu")(layers.BatchNormalization()(features))
    features = layers.Dropout(0.25)(layers.GlobalAveragePooling2D()(features))
    return keras.Model(image, layers.Dense(classes)(features))


def main() -> None:
    """Train, and print the accuracy on the test set."""
    folder, epochs, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    keras.utils.set_random_seed(seed)
    options = {"image_size": (SIDE, SIDE), "batch_size": BATCH}
    training, validation = keras.utils.image_dataset_from_directory(
        folder / "train", validation_split=VALIDATION, subset="both", seed=seed, **options
    )
    test = keras.utils.image_dataset_from_directory(folder / "test", shuffle=False, **options)
    changes = [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)]

    def augment(images: object) -> object:
        for change in changes:
            images = change(images)
        return images

    model = build(len(training.class_names))
    model.compile(
        optimizer=keras.optimizers.Adam(3e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        training.map(lambda images, labels: (augment(images), labels)).prefetch(1),
        epochs=epochs,
        validation_data=validation.prefetch(1),
        verbose=2,
    )
    print(f"test accuracy: {model.evaluate(test, verbose=0)[1]:.4f}")  # noqa: T201 - read by the bench


if __name__ == "__main__":
    main()
