"""Write what a model predicts for each row of a CSV."""

import sys
from pathlib import Path

import keras
import numpy as np

data, model, result = map(Path, sys.argv[1:])
table = np.loadtxt(data / "test.csv", delimiter=",", dtype=np.uint8)
predicted = keras.models.load_model(model / "model.keras").predict(
    table[:, 1:].reshape(-1, 28, 28, 1).astype("float32") / 255, verbose=0
)
np.savetxt(result / "predictions.csv", predicted.argmax(1), fmt="%d")
sys.stdout.write(f"accuracy {(predicted.argmax(1) == table[:, 0]).mean()}\n")
