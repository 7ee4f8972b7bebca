"""The baseline's score: Keras evaluates and predicts the test set.

Usage: score.py TEST_FOLDER MODEL_FOLDER RESULT_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from keras import models, utils


def main() -> None:
    """Score the first model of the folder."""
    test, model_folder, output = map(Path, sys.argv[1:])
    model = models.load_model(next(model_folder.glob("*.h5")))
    (csv,) = test.glob("*.csv")
    data = pd.read_csv(csv, header=None)
    images = data.iloc[:, 1:].to_numpy().reshape(-1, 28, 28, 1).astype("float32") / 255
    labels = utils.to_categorical(data.iloc[:, 0].to_numpy(), 10)

    loss, accuracy = model.evaluate(images, labels, verbose=0)
    print(f"Final test loss: {loss:.4f}")  # noqa: T201 - read by the bench
    print(f"Final test accuracy: {accuracy:.4f}")  # noqa: T201
    output.mkdir(parents=True)
    np.savetxt(output / "predict_result.csv", model.predict(images).argmax(axis=1), delimiter=",")


if __name__ == "__main__":
    main()
