"""`kfp-azureml aml`: components, pipeline jobs and models of an Azure ML workspace."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kfp_azureml import __version__
from kfp_azureml.azureml_pipelines.workspace_options import workspace_options
from kfp_azureml.compiling.flags import image_flags, job_flags, options_from
from kfp_azureml.compiling.param_option import param_option
from kfp_azureml.compiling.submission import EXPERIMENT
from kfp_azureml.runtime.step import configure_logging
from kfp_azureml.runtime.terminal import say

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_FOLDER = click.Path(path_type=Path, file_okay=False)
_NAME_VERSION = re.compile(r"([^:@]*)([:@]?)(.*)", re.DOTALL)


@click.group("aml")
def aml_command() -> None:
    """Manage components, jobs and models in Azure ML."""


@aml_command.group("components")
def components_command() -> None:
    """Register, list and show components."""


@components_command.command("register")
@click.argument("pipeline", default="")
@click.option("--version", default=__version__, show_default=True, help="Version of the components.")
@workspace_options
@image_flags()
def register_command(client: MLClient, pipeline: str, version: str, **flags: Any) -> None:
    """Register the suite's components, or those of PIPELINE.

    Components that are registered with the same content are kept; other content with the same version is an error.
    The image options select the images that the components run in.
    """
    from kfp_azureml.azureml_pipelines.registry import register_components
    from kfp_azureml.azureml_pipelines.submit_job import graph_of
    from kfp_azureml.azureml_pipelines.suite import pipeline_specs, suite_specs
    from kfp_azureml.compiling.submission import compiled_pipeline

    options = options_from(flags)
    if pipeline:
        with compiled_pipeline(pipeline, options) as package:
            specs = list(pipeline_specs(graph_of(package), version))
    else:
        specs = list(suite_specs(options, version))
    for done in register_components(client, specs):
        say(f"{done.name}:{done.version} {'found' if done.found else 'registered'}")


@components_command.command("list")
@workspace_options
def list_command(client: MLClient) -> None:
    """List all components with all their versions."""
    from kfp_azureml.azureml_pipelines.registry import list_components

    for component in list_components(client):
        say(f"{component.name}:{component.versions[0]}  {component.display_name}")
        if len(component.versions) > 1:
            say(f"  also {', '.join(component.versions[1:])}")


@components_command.command("get")
@click.argument("component", metavar="NAME[:VERSION]")
@workspace_options
def get_command(client: MLClient, component: str) -> None:
    """Show a component's interface. The default is the highest version."""
    from kfp_azureml.azureml_pipelines.interface import interface
    from kfp_azureml.azureml_pipelines.registry import get_component

    name, colon, version = component.partition(":")
    if colon and not version:
        raise click.UsageError(f"{component}: expected NAME or NAME:VERSION")
    say(interface(get_component(client, name, version)))


@aml_command.command("submit")
@click.argument("pipeline", default="image_classification")
@param_option
@click.option("--experiment", default=EXPERIMENT, show_default=True, help="Experiment; created if it does not exist.")
@click.option(
    "--compute",
    "computes",
    multiple=True,
    metavar="[STEP=]NAME",
    help="Compute of all steps or of one; repeatable.  [default: serverless]",
)
@click.option(
    "--instance-type",
    "instance_types",
    multiple=True,
    metavar="[STEP=]TYPE",
    help="VM size for serverless compute, such as Standard_DS3_v2; repeatable.  [default: chosen by Azure ML]",
)
@click.option(
    "--instance-count",
    "instance_counts",
    multiple=True,
    metavar="[STEP=]COUNT",
    help="Number of instances for serverless compute; repeatable.  [default: 1]",
)
@click.option("--from-registered", is_flag=True, help="Run registered components instead of those in the pipeline.")
@click.option("--stream", "stream_it", is_flag=True, help="Follow the job until it ends, as `aml stream` does.")
@workspace_options
@job_flags()
def submit_command(
    client: MLClient,
    pipeline: str,
    params: dict[str, str],
    experiment: str,
    computes: tuple[str, ...],
    instance_types: tuple[str, ...],
    instance_counts: tuple[str, ...],
    from_registered: bool,
    stream_it: bool,
    **flags: Any,
) -> None:
    """Run PIPELINE as an Azure ML pipeline job.

    PIPELINE is the name of a shipped pipeline (image_classification), a .py file to compile, or a compiled .yaml file,
    to which only the image options apply. The parameters resource_group, workspace and subscription_id default to those
    of the workspace.
    """
    from kfp_azureml.azureml_pipelines.job_follower import stream_job
    from kfp_azureml.azureml_pipelines.placement import parse_placement
    from kfp_azureml.azureml_pipelines.submit_job import JobSubmission, submit_pipeline

    wanted = JobSubmission(
        pipeline=pipeline,
        options=options_from(flags),
        typed=params,
        placement=parse_placement(computes, instance_types, instance_counts),
        experiment=experiment,
        from_registered=from_registered,
    )
    job = submit_pipeline(client, wanted)
    say(f"Job {job.name} in experiment {job.experiment}: {job.status}")
    say(job.studio_url)
    for line in job.skipped_tasks:
        say(line)
    if stream_it:
        stream_job(client, job.name)


@aml_command.command("stream")
@click.argument("job")
@workspace_options
def stream_command(client: MLClient, job: str) -> None:
    """Follow JOB until it ends; the exit code is 1 if it fails."""
    from kfp_azureml.azureml_pipelines.job_follower import stream_job

    stream_job(client, job)


@aml_command.command("cancel")
@click.argument("job")
@workspace_options
def cancel_command(client: MLClient, job: str) -> None:
    """Cancel JOB and its steps."""
    from kfp_azureml.azureml_pipelines.job_follower import cancel_job

    status = cancel_job(client, job)
    # Azure ML accepts to cancel a job that has ended, too.
    say(f"Job {job} had already ended: {status}" if status in ("Completed", "Failed") else f"Job {job} cancelled")


@aml_command.command("download")
@click.argument("job")
@click.option("--output", "outputs", multiple=True, metavar="[STEP.]NAME", help="Output; repeatable.  [default: all]")
@click.option("--to", type=_FOLDER, default=Path(), metavar="DIR", help="Target folder.  [default: current folder]")
@workspace_options
def download_command(client: MLClient, job: str, outputs: tuple[str, ...], to: Path) -> None:
    """Download the outputs of JOB's steps."""
    from kfp_azureml.azureml_pipelines.output_download import download_outputs

    folders = download_outputs(client, job, to, outputs)
    if not folders:
        say(f"Job {job}: nothing to download: no completed step has an output folder")
    for folder in folders:
        files = sum(path.is_file() for path in folder.rglob("*"))
        say(f"{folder}: {files} file{'' if files == 1 else 's'}")


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


@aml_command.group("models")
def models_command() -> None:
    """Download registered models."""


@models_command.command("download")
@click.argument("model", metavar="NAME[:VERSION]")
@click.argument("folder", type=_FOLDER)
@click.option("--overwrite", is_flag=True, help="Replace FOLDER if it exists with other content.")
@click.option("--timeout-seconds", default=3600.0, show_default=True, help="Timeout in seconds.")
@workspace_options
def download_model_command(client: MLClient, model: str, folder: Path, overwrite: bool, timeout_seconds: float) -> None:
    """Download a registered model to FOLDER and verify its hashes.

    The default is the highest version; NAME@LABEL selects a label. FOLDER appears when the model is complete. An
    interrupted download continues when it is run again.
    """
    from kfp_azureml.azureml.model_download.download_model import download_model

    configure_logging()
    name, separator, version = _NAME_VERSION.fullmatch(model).groups(default="")  # type: ignore[union-attr]
    if separator and not version:
        raise click.UsageError(f"{model}: expected NAME, NAME:VERSION or NAME@LABEL")
    version = f"@{version}" if separator == "@" else version
    done = download_model(client, name, version, folder, overwrite=overwrite, timeout_seconds=timeout_seconds)
    files = f"{done.files} file{'' if done.files == 1 else 's'}, {_size(done.size)}"
    say(f"{folder}: {done.name}:{done.version}, {files}; {done.verified}")
