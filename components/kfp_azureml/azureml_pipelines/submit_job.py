"""Submit a KFP pipeline as an Azure ML pipeline job."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.azureml.workspace import quiet_sdk, studio_url
from kfp_azureml.azureml_pipelines.compute_check import check_computes
from kfp_azureml.azureml_pipelines.connection import PREVIEWS, allow_conditions
from kfp_azureml.azureml_pipelines.graph import Graph, read_graph
from kfp_azureml.azureml_pipelines.job import PipelineJob, pipeline_job
from kfp_azureml.azureml_pipelines.job_follower import format_state
from kfp_azureml.azureml_pipelines.placement import Placement
from kfp_azureml.azureml_pipelines.registry import registered_name
from kfp_azureml.azureml_pipelines.sdk_error_messages import sdk_errors
from kfp_azureml.compiling.documents import read_compiled
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.submission import EXPERIMENT, compiled_pipeline, pipeline_arguments
from kfp_azureml.runtime.errors import PipelineError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job


@dataclass(frozen=True)
class JobSubmission:
    """A pipeline to run on Azure ML, and how.

    Attributes:
        pipeline: A pipeline's name or file.
        options: Compile options.
        params: Parameter values by name.
        typed: Parameter values by name, as typed.
        placement: Computes of the steps.
        experiment: The experiment, created if it does not exist.
        from_registered: Whether to run registered components instead of those in the pipeline.
    """

    pipeline: str = "image_classification"
    options: PipelineOptions = field(default_factory=PipelineOptions)
    params: Mapping[str, Any] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    placement: Placement = field(default_factory=Placement)
    experiment: str = EXPERIMENT
    from_registered: bool = False


@dataclass(frozen=True)
class SubmittedJob:
    """A pipeline job in Azure ML.

    Attributes:
        name: Its name in Azure ML.
        experiment: Its experiment.
        status: Its state after submission.
        studio_url: Its page in Azure ML studio.
        skipped_tasks: Messages about tasks that do not run on Azure ML, with their replacement.
    """

    name: str
    experiment: str
    status: str
    studio_url: str
    skipped_tasks: tuple[str, ...] = ()


def submit_pipeline(client: MLClient, wanted: JobSubmission) -> SubmittedJob:
    """Run a pipeline on Azure ML, after its parameters and computes have been validated.

    Args:
        client: A client of the workspace, from `connect`.
        wanted: The pipeline and its settings.

    Raises:
        PipelineError: If the pipeline, a parameter or a compute is invalid, or a component is not registered.
    """
    # On Azure ML the step itself has several workers, on Kubeflow another component.
    alone = replace(wanted.options, train_workers=1)
    with compiled_pipeline(wanted.pipeline, alone) as package:
        arguments = pipeline_arguments(package, wanted.typed, wanted.params, _workspace_of(client))
        graph = graph_of(package)
        job = pipeline_job(graph, arguments, wanted.placement, wanted.experiment, wanted.options.train_workers)
    check_computes(client, wanted.placement)
    with tempfile.TemporaryDirectory(prefix="kfp-azureml-") as folder:
        registered = (lambda spec: registered_name(client, spec)) if wanted.from_registered else None
        loaded = load_pipeline_job(job, job.write(Path(folder), registered))
        with sdk_errors("submitting the pipeline job"):
            submitted = client.jobs.create_or_update(loaded)
    name = str(submitted.name)
    return SubmittedJob(
        name,
        wanted.experiment,
        format_state(submitted.status),
        studio_url(client, f"runs/{name}"),
        graph.skipped_tasks,
    )


def load_pipeline_job(job: PipelineJob, path: Path) -> Job:
    """Load a pipeline job's file with the SDK.

    Args:
        job: The job.
        path: The job's file.

    Raises:
        PipelineError: If the SDK rejects it.
    """
    if job.needs_preview and not allow_conditions():
        raise PipelineError(
            "the pipeline has conditions, which have to be enabled before azure-ai-ml is imported: "
            f"connect with kfp_azureml.azureml_pipelines.connect first, or set {PREVIEWS}=true"
        )
    from azure.ai.ml import load_job
    from azure.ai.ml.exceptions import ValidationException
    from marshmallow import ValidationError

    try:
        with quiet_sdk():
            return load_job(path)
    except (ValidationException, ValidationError) as error:
        raise PipelineError(f"azure-ai-ml rejects the pipeline job: {' '.join(str(error).split())}") from error


def graph_of(package: Path) -> Graph:
    """Read the graph of a compiled pipeline; see `read_graph`."""
    compiled = read_compiled(package)
    return read_graph(compiled.pipeline, compiled.platform)


def _workspace_of(client: MLClient) -> dict[str, Any]:
    """Return the parameters that name a client's workspace."""
    return {
        "resource_group": client.resource_group_name,
        "workspace": client.workspace_name,
        "subscription_id": client.subscription_id,
    }
