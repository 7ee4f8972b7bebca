"""Microsoft's Keras example on the emulator: components from mldesigner and from YAML, in Python 3.8 environments.

After azureml-examples, sdk/python/jobs/pipelines/2e_image_classification_keras_minist_convnet.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from azureml_emulator import running_emulator
from fashion_slice import write_fashion_slice

SUBMIT = Path(__file__).parent / "keras_example" / "submit.py"
CLIENT_SECONDS = 300
NODES = ("prepared", "trained", "score_keras")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fashion_slice(tmp_path_factory.mktemp("mnist"))


@pytest.fixture(autouse=True)
def no_python_38(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep uv from finding or downloading an old Python."""
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv("UV_PYTHON_PREFERENCE", "only-managed")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "pythons"))


def submit(images: Path, folder: Path, *options: str) -> dict[str, Any]:
    """Run the example's client in an emulator; return what it saw."""
    with running_emulator(arguments=options) as emulator:
        subprocess.run(
            [sys.executable, SUBMIT, images, folder, emulator.resource_group, emulator.workspace],
            env={**os.environ, **emulator.environment},
            timeout=CLIENT_SECONDS,
            check=True,
        )
    seen: dict[str, Any] = json.loads((folder / "seen.json").read_text())
    return seen


def test_it_runs_where_an_interpreter_stands_in_for_python_38(images: Path, tmp_path: Path) -> None:
    seen = submit(images, tmp_path, "--environment-python", f"python3.8={sys.executable}")

    assert (seen["status"], seen["error"], seen["mode"]) == ("Completed", "", "ro_mount")
    assert seen["nodes"] == dict.fromkeys(NODES, "Completed")
    assert "Streaming logs/azureml/executionlogs.txt" in seen["streamed"]
    assert seen["registered"] == ["prep_data", "1"]
    predictions = (tmp_path / "named-outputs" / "output_result" / "predictions.csv").read_text().split()
    assert len(predictions) == 300
    printed = {node: next((tmp_path / node).rglob("std_log.txt")).read_text() for node in NODES}
    assert "wrote 2000 rows of train" in printed["prepared"]
    accuracy = float(printed["score_keras"].rpartition("accuracy ")[2])
    # Better than guessing among ten classes: the model learnt.
    assert accuracy > 0.3


def test_without_one_the_failure_names_the_option(images: Path, tmp_path: Path) -> None:
    seen = submit(images, tmp_path)

    assert seen["status"] == "Failed"
    assert seen["nodes"] == {"prepared": "Failed"}
    assert "Python 3.8, which the environment asks for, is not on this machine" in seen["error"]
    assert "--environment-python python3.8=PYTHON" in seen["error"]
    log = next((tmp_path / "prepared").rglob("20_image_build_log.txt")).read_text()
    assert "conda package pip=20.0: uv installs the packages" in log
