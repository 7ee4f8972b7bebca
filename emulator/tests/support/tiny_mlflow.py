"""Small MLflow models as MLflow saves them, written by hand: that needs no MLflow."""

import json
import sys
from pathlib import Path

import yaml

# Adds up the columns of each row; the class tells what came: a data frame or an array.
LOADER = """
class RowSums:
    def predict(self, data):
        print("asked with a", type(data).__name__)
        return data.sum(axis=1)


def _load_pyfunc(path):
    return RowSums()
"""
COLUMNS = [{"type": "double", "name": "x", "required": True}, {"type": "double", "name": "y", "required": True}]
TENSOR = [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]


def write_mlflow_model(
    folder: Path, inputs: list[dict], requirements: tuple[str, ...] = ("mlflow-skinny>=3,<4",)
) -> Path:
    """Write a model that adds up the two values of each row.

    Args:
        folder: Where to.
        inputs: The inputs in its signature: COLUMNS or TENSOR.
        requirements: What its conda file asks for.

    Returns:
        The folder.
    """
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "row_sums.py").write_text(LOADER)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    conda = {"name": "mlflow-env", "dependencies": [f"python={python}", "pip<=25", {"pip": list(requirements)}]}
    (folder / "conda.yaml").write_text(yaml.safe_dump(conda))
    flavor = {"loader_module": "row_sums", "code": "code", "env": {"conda": "conda.yaml"}, "python_version": python}
    document = {"flavors": {"python_function": flavor}, "signature": {"inputs": json.dumps(inputs)}}
    (folder / "MLmodel").write_text(yaml.safe_dump(document))
    return folder
