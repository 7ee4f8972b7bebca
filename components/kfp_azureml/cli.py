"""The command `kfp-azureml`; each subcommand stands in the room that does its work."""

from __future__ import annotations

import sys

import click

from kfp_azureml import __version__
from kfp_azureml.aml_reconcile.reconcile import main as reconcile_command
from kfp_azureml.azureml_pipelines.command import aml_command
from kfp_azureml.cancellation import cancellable
from kfp_azureml.compiling.command import compile_command
from kfp_azureml.errors import CancelledError, KfpAzuremlError
from kfp_azureml.kubeflow.command import submit_command
from kfp_azureml.kubeflow.secret_command import azcreds_command
from kfp_azureml.local.command import run_command


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


for _command in (run_command, compile_command, submit_command, azcreds_command, reconcile_command, aml_command):
    commands.add_command(_command)
