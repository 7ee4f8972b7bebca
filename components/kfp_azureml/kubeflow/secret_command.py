"""`kfp-azureml azcreds`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kfp_azureml.runtime.terminal import say


@click.command("azcreds")
@click.option(
    "--namespace", metavar="NAME", help="Namespace.  [default: that of the kubeconfig's context, else kubeflow]"
)
@click.option("--context", metavar="NAME", help="Context of the kubeconfig.  [default: the current context]")
@click.option(
    "--from-file",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File with KEY=VALUE lines or the JSON of `az ad sp create-for-rbac`.  [default: environment variables]",
)
@click.option("--check", is_flag=True, help="Sign in to Azure with the values first.")
@click.option("--dry-run", is_flag=True, help="Print the manifest with redacted values and change nothing.")
def azcreds_command(namespace: str | None, context: str | None, file: Path | None, check: bool, dry_run: bool) -> None:
    """Create or update the Kubernetes secret azcreds.

    It contains the Azure credentials of the steps: AZ_SUBSCRIPTION_ID, AZ_TENANT_ID, AZ_CLIENT_ID and AZ_CLIENT_SECRET.
    Their values come from a file or from environment variables of these names. On a terminal the command prompts for
    missing values.
    """
    import yaml

    from kfp_azureml.azcreds import SECRET_NAME
    from kfp_azureml.engines.kubeconfig import choose_namespace
    from kfp_azureml.kubeflow.cluster import open_cluster
    from kfp_azureml.kubeflow.secret import apply_secret, redacted_manifest
    from kfp_azureml.kubeflow.secret_check import check_values
    from kfp_azureml.kubeflow.secret_values import read_values

    values = read_values(file, _ask if sys.stdin.isatty() and sys.stderr.isatty() else None)
    if check:
        check_values(values)
        click.echo("The values can sign in to Azure", err=True)
    if dry_run:
        manifest = redacted_manifest(choose_namespace(context, namespace))
        say(yaml.safe_dump(manifest, sort_keys=False).rstrip())
        return
    cluster = open_cluster(context, namespace)
    done = apply_secret(cluster, values)
    say(f"Secret {SECRET_NAME} in namespace {cluster.namespace} {done}")


def _ask(key: str) -> str:
    return str(click.prompt(key, hide_input=key.endswith("SECRET"), err=True))
