"""The example pipeline: a notebook on local Databricks makes images, a model is trained on them and goes live."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from pages import ROOT

PIPELINE = ROOT / "examples" / "databricks_pipeline" / "pipeline.py"
STEPS = (
    *("databricks_create_secret_scope", "databricks_import_workspace_item", "databricks_submit_run"),
    *("prep", "train", "score", "aml_register_model", "aml_deploy_model", "databricks_reconcile"),
)
SECONDS = 900


def test_the_pipeline_runs_from_the_notebook_to_a_live_endpoint(tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("kfp-azureml"), "run", PIPELINE, "--runs", tmp_path / "runs"]
    parameters = ["container=https://azuremlemulator.blob.core.windows.net/azureml-blobstore"]
    parameters += ["training_images=400", "test_images=100", "epochs=2"]
    done = subprocess.run(
        [*map(str, command), *(word for one in parameters for word in ("--param", one))],
        env={**os.environ, "NO_COLOR": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    summary = json.loads(next((tmp_path / "runs").glob("*/summary.json")).read_text())
    states = {step["name"]: step["state"] for step in summary["steps"]}
    assert states == dict.fromkeys(STEPS, "succeeded"), states
    assert summary["accuracy"] > 0.3  # of four classes
    assert summary["model"]["name"] == "stripes"
    assert summary["endpoint"]["scoring_uri"]
