"""The network and its training."""

import keras
import numpy as np


def train(rows, target, epochs):
    table = np.loadtxt(rows, delimiter=",", dtype=np.uint8)
    images, labels = table[:, 1:].reshape(-1, 28, 28, 1).astype("float32") / 255, table[:, 0]
    model = keras.Sequential(
        [
            keras.layers.Input((28, 28, 1)),
            keras.layers.Conv2D(8, 5, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, epochs=epochs, verbose=2)
    model.save(target)
