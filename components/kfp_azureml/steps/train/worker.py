"""Train in a pod of its own, as one of several workers or alone: the program of distributed training.

    python -m kfp_azureml.steps.train.worker --data URI --output URI --parameters JSON

It finds the other workers as `cluster_from_env` says. Each reads all data; worker 0 writes the output. `train` does the
same within a pipeline's step, where data and results are artifacts.

Exit codes: 0 trained; 1 a failure that the user can fix, so starting it again is of no use; 75 another worker was lost:
start all of them again, and with `checkpoint` they go on from there. A signal ends it with 130.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from kfp_azureml.imagesets.stored_folder import StoredFolder
from kfp_azureml.runtime.errors import TrainingError
from kfp_azureml.runtime.step import progress, run_step
from kfp_azureml.steps.train.settings import TrainingSettings
from kfp_azureml.steps.train.train import NAME, train_model

MODEL_FOLDER = "output_model"
HISTORY_FILE = "history.html"
RESULT_FILE = "result.json"
"""File with the metrics and metadata of the result; it is written last, so it means that the output is complete."""


def train_from_storage(data: str, output: str, settings: TrainingSettings) -> None:
    """Train on a stored image set and store the result.

    Args:
        data: Path or URI of the training set, as written by prep.
        output: Path or URI of a folder for the model folder, the history and, at the end, `RESULT_FILE`.
        settings: What to train, and how.

    Raises:
        OutputError: If the data cannot be read, or the result not be written.
    """
    stored = StoredFolder(output, settings.use_azure_credentials)
    with tempfile.TemporaryDirectory(prefix="kfp-azureml-") as name:
        scratch = Path(name)
        images = Path(data)
        if "://" in data:
            images = scratch / "data"
            progress("copying the training set", 0.0)
            StoredFolder(data, settings.use_azure_credentials).download(images)
        made = scratch / "output"
        result = train_model(images, made / MODEL_FOLDER, settings, output_history=made / HISTORY_FILE)
        if result is None:
            return
        progress("storing the model", 1.0)
        stored.upload(made)
        content = {"metrics": result.manifest.metrics, "metadata": result.metadata()}
        stored.write(RESULT_FILE, json.dumps(content, indent=2).encode())


def _settings(text: str) -> TrainingSettings:
    try:
        parameters: dict[str, Any] = json.loads(text)
        return TrainingSettings(**parameters)
    except (ValueError, TypeError) as error:
        raise TrainingError(f"--parameters: expected the parameters of train as a JSON object ({error})") from error


def main() -> None:
    """Train; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m kfp_azureml.steps.train.worker", description=__doc__)
    parser.add_argument("--data", required=True, metavar="URI", help="Training set, as written by prep.")
    parser.add_argument("--output", required=True, metavar="URI", help="Folder for the result.")
    parser.add_argument("--parameters", default="{}", metavar="JSON", help="Parameters of train by name.")
    arguments = parser.parse_args()
    with run_step(NAME):
        train_from_storage(arguments.data, arguments.output, _settings(arguments.parameters))


if __name__ == "__main__":
    main()
