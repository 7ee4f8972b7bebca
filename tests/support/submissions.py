"""Submit our compiled pipeline to the double of Kubeflow's API."""

from pathlib import Path
from typing import Any

import pytest

from kfp_azureml.kubeflow.connection import Connection
from kfp_azureml.kubeflow.submit_run import KubeflowSubmission, submit
from kfp_azureml.runtime.errors import PipelineError
from kubeflow_api import KubeflowApi

COMPILED = Path(__file__).parents[2] / "pipelines" / "image_classification.yaml"
WORKSPACE = {"resource_group": "g", "workspace": "w"}


def submitted(api: KubeflowApi, connection: Connection | None = None, **wanted: Any) -> list[str]:
    """Submit the compiled pipeline and return the output."""
    lines: list[str] = []
    settings = {"pipeline": str(COMPILED), "params": WORKSPACE, **wanted}
    submit(KubeflowSubmission(**settings), connection or Connection(host=api.url), lines.append)
    return lines


def told_of_a_failure(
    api: KubeflowApi, connection: Connection | None = None, **wanted: Any
) -> tuple[list[str], PipelineError]:
    """Submit the compiled pipeline, expect a failure, and return the output and the error."""
    lines: list[str] = []
    settings = {"pipeline": str(COMPILED), "params": WORKSPACE, **wanted}
    with pytest.raises(PipelineError) as raised:
        submit(KubeflowSubmission(**settings), connection or Connection(host=api.url), lines.append)
    assert "\n" not in str(raised.value)
    return lines, raised.value
