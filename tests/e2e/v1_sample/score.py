"""Entry script as SDK v1 had them: the weight of each column, times the row."""

import json
import os
from pathlib import Path

import numpy as np


def init():
    global weights
    folder = Path(os.environ["AZUREML_MODEL_DIR"])
    (manifest,) = folder.rglob("model.json")
    weights = np.arange(len(json.loads(manifest.read_text())["classes"]), dtype=float)


def run(data):
    try:
        rows = np.asarray(json.loads(data)["data"], dtype=float)
        return (rows @ weights).tolist()
    except ValueError as error:
        return {"error": str(error)}
