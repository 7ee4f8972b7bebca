"""The command `kfp-azureml`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kfp_azureml import __version__
from kfp_azureml.cancellation import cancellable
from kfp_azureml.errors import CancelledError, KfpAzuremlError


def main() -> None:
    """Run the command; a failure the user can mend is one line and an exit code."""
    try:
        with cancellable():
            commands()
    except KfpAzuremlError as error:
        click.echo(f"kfp-azureml: {error}", err=True)
        sys.exit(error.exit_code)
    except CancelledError as cancelled:
        click.echo(f"kfp-azureml: {cancelled}", err=True)
        sys.exit(cancelled.exit_code)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def commands() -> None:
    """Kubeflow Pipelines components for Azure Machine Learning."""


@commands.command()
@click.argument("pipeline", default="image_classification")
@click.option("--data", metavar="URI", help="The images: a folder or URI. [default: the pipeline's own, Fashion-MNIST]")
@click.option("-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="Set a pipeline parameter.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where runs go.")
@click.option("--keep", is_flag=True, help="Keep the endpoint up after the run, until Ctrl-C.")
@click.option("--azure", is_flag=True, help="Use a real workspace (AZ_* or az login) instead of the local Azure ML.")
def run(pipeline: str, data: str | None, params: tuple[str, ...], runs: Path, keep: bool, azure: bool) -> None:
    """Run PIPELINE on this machine, from images to a live endpoint.

    PIPELINE is a name (image_classification) or the path of a pipeline's .py or compiled .yaml file.
    """
    from kfp_azureml.local.run import LocalRun, run_locally

    given = dict(_name_and_value(param) for param in params)
    run_locally(LocalRun(pipeline=pipeline, data=data, params=given, runs=runs, keep=keep, azure=azure))


@commands.command("compile")
@click.argument("pipeline", default="image_classification")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The YAML file. [default: PIPELINE.yaml here]")
@click.option("--registry", help="Where the images are, such as myregistry.azurecr.io/kfp-azureml.")
@click.option("--tag", help="The images' tag.")
def compile_command(pipeline: str, output: Path | None, registry: str | None, tag: str | None) -> None:
    """Compile PIPELINE to YAML for the Kubeflow UI or `kfp run create`, and validate it."""
    from kfp_azureml.compiling.compile import compile_pipeline
    from kfp_azureml.compiling.options import PipelineOptions
    from kfp_azureml.compiling.sources import find_pipeline

    source = find_pipeline(pipeline)
    output = output or Path(f"{source.stem}.yaml")
    chosen = {name: value for name, value in (("registry", registry), ("tag", tag)) if value}
    compile_pipeline(source, output, PipelineOptions(**chosen))
    click.echo(f"{output}: compiled and valid")


def _name_and_value(param: str) -> tuple[str, str]:
    name, equals, value = param.partition("=")
    if not equals:
        raise click.BadParameter(f"{param!r} is not NAME=VALUE", param_hint="--param")
    return name, value
