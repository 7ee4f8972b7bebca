"""azure-ai-ml: a model is registered, deployed, scored and deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from azureml_emulator import EmulatorInfo
from azureml_rest import SCORING_PACKAGE, conda_file

CLIENT = Path(__file__).with_name("azureml_client.py")
CLIENT_SECONDS = 300
SCORE = """
import json
import os
from pathlib import Path


def init():
    print("hello from init")
    if "FAIL_IN_INIT" in os.environ:
        raise RuntimeError("no luck in init")


def run(data):
    asked = json.loads(data)
    if asked == "fail":
        raise ValueError("the model failed")
    weights = (Path(os.environ["AZUREML_MODEL_DIR"]) / "model" / "weights.txt").read_text()
    return {"asked": asked, "weights": int(weights), "colour": os.environ["COLOUR"]}
"""


def test_sdk_takes_a_model_to_a_live_endpoint(emulator: EmulatorInfo, tmp_path: Path) -> None:
    for name, content in {
        "model/weights.txt": "42",
        "code/score.py": SCORE,
        "conda.yaml": conda_file(SCORING_PACKAGE),
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    output = tmp_path / "seen.json"

    subprocess.run(
        [sys.executable, CLIENT, tmp_path, emulator.resource_group, emulator.workspace, output],
        env={**os.environ, **emulator.environment},
        timeout=CLIENT_SECONDS,
        check=True,
    )

    assert json.loads(output.read_text()) == {
        "workspace": emulator.workspace,
        "datastore": "workspaceblobstore",
        "compute": "amlcompute",
        "versions": ["1", "2"],
        "latest": "2",
        "active": ["2"],
        "downloaded": ["downloaded/echo/model/weights.txt"],
        "changed version": 400,
        "traffic before": {"blue": 0},
        "traffic": {"blue": 100},
        "answer": [200, {"asked": {"hello": "world"}, "weights": 42, "colour": "blue"}, "blue"],
        "model error": 424,
        "wrong key": 401,
        "no such deployment": 404,
        "log": True,
        "crash": True,
        "crash log": True,
        "put over it": True,
        "green": "green",
        "old key": 401,
        "delete live deployment": "InferencingClientCallFailed",
        "deleted": 404,
    }
    # `make emulator-coverage` has it written elsewhere.
    log = Path(os.environ.get("AZUREML_EMULATOR_ACCESS_LOG", Path(emulator.state_dir) / "access.log"))
    assert emulator.environment["AZ_CLIENT_SECRET"] not in log.read_text()
