"""Run the suite's components and KFP pipelines on Azure ML: component specs, pipeline jobs, results.

In Python:

    from kfp_azureml.azureml_pipelines import JobSubmission, connect, submit_pipeline, stream_job

    client = connect("my-group", "my-workspace")
    job = submit_pipeline(client, JobSubmission("image_classification", params={"epochs": 5}))
    stream_job(client, job.name)

Jobs do not use the secret `azcreds`, which is in Kubernetes. Steps that access Azure (aml_*, and prep for Azure
storage) run with `identity: managed`, the managed identity of their compute, which needs the role "AzureML Data
Scientist" on the workspace. DefaultAzureCredential finds it; see `azureml.credentials`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kfp_azureml.azureml.model_download.download_model import DownloadedModel, download_model
    from kfp_azureml.azureml_pipelines.connection import connect
    from kfp_azureml.azureml_pipelines.job_follower import cancel_job, stream_job
    from kfp_azureml.azureml_pipelines.output_download import artifact_path, download_outputs
    from kfp_azureml.azureml_pipelines.parameter_outputs import output_values
    from kfp_azureml.azureml_pipelines.placement import Placement
    from kfp_azureml.azureml_pipelines.registry import (
        ComponentVersions,
        RegisteredComponent,
        get_component,
        list_components,
        register_components,
    )
    from kfp_azureml.azureml_pipelines.sdk_error_messages import sdk_errors
    from kfp_azureml.azureml_pipelines.submit_job import JobSubmission, SubmittedJob, submit_pipeline
    from kfp_azureml.azureml_pipelines.suite import suite_specs

__all__ = [
    "ComponentVersions",
    "DownloadedModel",
    "JobSubmission",
    "Placement",
    "RegisteredComponent",
    "SubmittedJob",
    "artifact_path",
    "cancel_job",
    "connect",
    "download_model",
    "download_outputs",
    "get_component",
    "list_components",
    "output_values",
    "register_components",
    "sdk_errors",
    "stream_job",
    "submit_pipeline",
    "suite_specs",
]

_MODULES = {
    ".connection": ("connect",),
    ".output_download": ("artifact_path", "download_outputs"),
    ".sdk_error_messages": ("sdk_errors",),
    ".job_follower": ("cancel_job", "stream_job"),
    "..azureml.model_download.download_model": ("DownloadedModel", "download_model"),
    ".placement": ("Placement",),
    ".registry": (
        "ComponentVersions",
        "RegisteredComponent",
        "get_component",
        "list_components",
        "register_components",
    ),
    ".submit_job": ("JobSubmission", "SubmittedJob", "submit_pipeline"),
    ".suite": ("suite_specs",),
    ".parameter_outputs": ("output_values",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import public names on first use, since importing the Azure SDK takes seconds."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
