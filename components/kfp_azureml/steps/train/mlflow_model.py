"""Write the files that make a folder with `model.onnx` an MLflow model.

    MLmodel              flavours python_function and onnx, signature, input example
    conda.yaml           environment to load it in, also as python_env.yaml and requirements.txt
    input_example.json   images of the training set

The format is that of MLflow 2 and 3; Azure ML's own MLflow is 2. It is written without MLflow, whose ONNX flavour and
signatures need pandas, which is in no image of the suite.
"""

from __future__ import annotations

import json
import platform
import time
import uuid
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kfp_azureml.models.model_folder import MLFLOW_EXAMPLE, MLFLOW_FILE, ONNX_FILE, Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONDA_FILE, PYTHON_FILE, REQUIREMENTS_FILE = "conda.yaml", "python_env.yaml", "requirements.txt"
EXAMPLES = 2
"""Number of images in the input example."""

_MLFLOW = "mlflow-skinny"


def write_mlflow_files(
    folder: Path, image: Tensor, probabilities: Tensor, samples: NDArray[np.uint8], architecture: str
) -> None:
    """Write the files next to `model.onnx`.

    Args:
        folder: The folder.
        image: The network's input.
        probabilities: The network's output.
        samples: At least one image, (n, height, width, channels); the first are the input example.
        architecture: Name of the architecture, for the metadata.
    """
    import onnx

    python = ".".join(platform.python_version_tuple()[:2])
    # pandas, since MLflow imports it to load any model.
    requirements = [
        _pinned(_MLFLOW, ">=2.16,<4"),
        "pandas>=2.2,<4",
        *(_pinned(name) for name in ("numpy", "onnxruntime")),
    ]
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": requirements}],
    }
    _write_yaml(folder / CONDA_FILE, conda)
    _write_yaml(folder / PYTHON_FILE, {"python": python, "dependencies": [f"-r {REQUIREMENTS_FILE}"]})
    (folder / REQUIREMENTS_FILE).write_text("".join(f"{requirement}\n" for requirement in requirements))
    (folder / MLFLOW_EXAMPLE).write_text(json.dumps({"inputs": samples[:EXAMPLES].tolist()}))
    environment = {"conda": CONDA_FILE, "virtualenv": PYTHON_FILE}
    document = {
        "flavors": {
            "onnx": {"onnx_version": onnx.__version__, "data": ONNX_FILE, "providers": ["CPUExecutionProvider"]},
            "python_function": {
                "loader_module": "mlflow.onnx",
                "data": ONNX_FILE,
                "env": environment,
                "python_version": platform.python_version(),
            },
        },
        "metadata": {"architecture": architecture},
        "model_uuid": uuid.uuid4().hex,
        "saved_input_example_info": {
            "artifact_path": MLFLOW_EXAMPLE,
            "format": "tf-serving",
            "type": "ndarray",
        },
        "signature": {"inputs": _schema(image), "outputs": _schema(probabilities)},
        "utc_time_created": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
    }
    _write_yaml(folder / MLFLOW_FILE, document)


def _schema(tensor: Tensor) -> str:
    """Return the schema of one named tensor, as JSON in MLmodel; -1 stands for any size."""
    spec = {"dtype": tensor.dtype, "shape": [-1 if size is None else size for size in tensor.shape]}
    return json.dumps([{"name": tensor.name, "type": "tensor", "tensor-spec": spec}])


def _pinned(package: str, otherwise: str = "") -> str:
    try:
        return f"{package}=={version(package)}"
    except PackageNotFoundError:
        return f"{package}{otherwise}"


def _write_yaml(path: Path, document: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False))
