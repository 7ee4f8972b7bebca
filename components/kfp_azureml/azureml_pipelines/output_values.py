"""The values of a pipeline job's output parameters, such as the accuracy that score returned."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kfp_azureml.azureml_pipelines.in_job.job_text import decode
from kfp_azureml.azureml_pipelines.sdk_errors import sdk_errors

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

PROPERTY = "azureml.pipeline.control"
"""Where a step leaves them; see `in_job/output_values.py`."""


def output_values(client: MLClient, name: str) -> dict[str, dict[str, Any]]:
    """Return what the steps of a job returned, by the names of step and output.

    Args:
        client: A client of the workspace.
        name: The job.

    Raises:
        PipelineError: If there is no such job.
    """
    with sdk_errors(f"asking for job {name}"):
        return {str(step.display_name): values_of(step) for step in client.jobs.list(parent_job_name=name)}


def values_of(step: Any) -> dict[str, Any]:
    """Return what a step returned; nothing where it did not, or has not yet."""
    values: dict[str, Any] = json.loads((step.properties or {}).get(PROPERTY, "{}"))
    return {name: decode(value) if isinstance(value, str) else value for name, value in values.items()}
