"""Read the output values of a pipeline job's steps, such as the accuracy of score."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kfp_azureml.azureml_pipelines.in_job.job_text import decode
from kfp_azureml.azureml_pipelines.sdk_error_messages import sdk_errors

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

PROPERTY = "azureml.pipeline.control"
"""Run property with a step's output values; see `in_job/output_values.py`."""


def output_values(client: MLClient, name: str) -> dict[str, dict[str, Any]]:
    """Return the output values of a job's steps, by step and output name.

    Args:
        client: A client of the workspace.
        name: The job.

    Raises:
        PipelineError: If the job does not exist.
    """
    with sdk_errors(f"reading job {name}"):
        return {str(step.display_name): values_of(step) for step in client.jobs.list(parent_job_name=name)}


def values_of(step: Any) -> dict[str, Any]:
    """Return a step's output values by name; empty if it has none yet."""
    values: dict[str, Any] = json.loads((step.properties or {}).get(PROPERTY, "{}"))
    return {name: decode(value) if isinstance(value, str) else value for name, value in values.items()}
