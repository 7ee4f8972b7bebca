"""The command `kfp-azureml`; each subcommand is defined in the package that implements it."""

from __future__ import annotations

import importlib
import importlib.util
import sys

import click

from kfp_azureml import __version__
from kfp_azureml.runtime.cancellation import cancellable
from kfp_azureml.runtime.errors import CancelledError, KfpAzuremlError
from kfp_azureml.runtime.garbage_collector import relaxed_gc
from kfp_azureml.runtime.terminal import one_line

COMMANDS = {
    "run": "kfp_azureml.local.command:run_command",
    "compile": "kfp_azureml.compiling.command:compile_command",
    "submit": "kfp_azureml.kubeflow.command:submit_command",
    "azcreds": "kfp_azureml.kubeflow.secret_command:azcreds_command",
    "step": "kfp_azureml.steps.command:step_command",
    "reconcile": "kfp_azureml.steps.aml_reconcile.command:reconcile_command",
    "doctor": "kfp_azureml.doctor.command:doctor_command",
    "aml": "kfp_azureml.azureml_pipelines.command:aml_command",
}


class _LazyGroup(click.Group):
    """Imports a subcommand when it is used, and hides those whose package is not installed in an image."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        here = [name for name, place in COMMANDS.items() if importlib.util.find_spec(place.rpartition(".")[0])]
        return [*super().list_commands(ctx), *here]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _, function = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands with their whole summaries, which click would cut."""
        listed = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(sys.maxsize)) for name, command in listed if command])


def main() -> None:
    """Run the command; print expected errors as one line and exit with their code."""
    try:
        with cancellable(), relaxed_gc():
            commands()
    except KfpAzuremlError as error:
        click.echo(one_line(f"kfp-azureml: {error}"), err=True)
        sys.exit(error.exit_code)
    except CancelledError as cancelled:
        click.echo(one_line(f"kfp-azureml: {cancelled}"), err=True)
        sys.exit(cancelled.exit_code)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def commands() -> None:
    """Run, compile, submit and clean up pipelines for Azure Machine Learning."""
