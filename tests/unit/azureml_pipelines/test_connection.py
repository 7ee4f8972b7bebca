"""Conditions need the SDK's preview features: switched on before it is imported, or the error says so."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kfp_azureml.azureml_pipelines.connection import PREVIEWS

PROGRAM = """
import sys, tempfile, pathlib, yaml
{before}
from kfp_azureml.azureml_pipelines.connection import allow_conditions
from kfp_azureml.azureml_pipelines.graph import read_graph
from kfp_azureml.azureml_pipelines.job import pipeline_job
from kfp_azureml.azureml_pipelines.placement import Placement
from kfp_azureml.azureml_pipelines.submit_job import load_pipeline_job
from kfp_azureml.compiling.sources import shipped_pipelines
from kfp_azureml.runtime.errors import PipelineError
documents = yaml.safe_load_all((shipped_pipelines() / "image_classification.yaml").read_text())
job = pipeline_job(read_graph(*documents), {{"resource_group": "g", "workspace": "w"}}, Placement(), "e")
with tempfile.TemporaryDirectory() as folder:
    try:
        print(type(load_pipeline_job(job, job.write(pathlib.Path(folder)))).__name__)
    except PipelineError as error:
        print(error)
"""


@pytest.mark.parametrize(
    ("before", "environ", "said"),
    [
        ("", {}, "PipelineJob\n"),
        ("import azure.ai.ml", {PREVIEWS: "true"}, "PipelineJob\n"),
        ("import azure.ai.ml", {}, "the pipeline has conditions, which have to be enabled"),
    ],
)
def test_conditions_are_taken_or_the_error_says_what_to_do(before: str, environ: dict[str, str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM.format(before=before)],
        env={**{name: value for name, value in os.environ.items() if name != PREVIEWS}, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(said)
