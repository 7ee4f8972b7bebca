"""The baseline's entry script: Keras' `model.predict` for each request.

Request: {"images": [the base64 of 28x28 bytes, ...]}, as ours takes it.
"""

import base64
import json
import os
from pathlib import Path

import keras
import numpy as np

model: keras.Model


def init() -> None:
    """Load the model."""
    global model
    (path,) = Path(os.environ["AZUREML_MODEL_DIR"]).rglob("*.h5")
    model = keras.models.load_model(path)


def run(data: str) -> list[list[float]]:
    """Answer a request with the images' probabilities."""
    pixels = b"".join(base64.b64decode(image) for image in json.loads(data)["images"])
    images = np.frombuffer(pixels, np.uint8).reshape(-1, 28, 28, 1).astype("float32") / 255
    return model.predict(images, verbose=0).tolist()
