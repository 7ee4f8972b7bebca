"""`kfp-azureml reconcile`."""

from __future__ import annotations

from typing import Any

import click

from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.databricks import clean_up
from kfp_azureml.engines.api import connect
from kfp_azureml.engines.clean_up import clean_up as delete_resources
from kfp_azureml.runtime.step import run_step
from kfp_azureml.steps.aml_reconcile.reconcile import NAME, reconcile


@click.command("reconcile")
@click.option("--run-id", default="", help="Only rollouts of this pipeline run.")
@click.option("--endpoint-name", default="", help="Only rollouts on this endpoint.")
@click.option(
    "--older-than-hours",
    type=click.FloatRange(min=0),
    help="Only rollouts whose last attempt began at least so many hours ago.",
)
@click.option("--resource-group", default="", help="Resource group.  [default: config.json]")
@click.option("--workspace", default="", help="Workspace.  [default: config.json]")
@click.option("--subscription-id", default="", help="Subscription.  [default: $AZ_SUBSCRIPTION_ID, else config.json]")
@click.option(
    "--databricks-host",
    default="",
    help="Cancel the pipeline run's runs and clusters in this Databricks workspace instead; needs --run-id.",
)
@click.option(
    "--train-jobs",
    "kubernetes_namespace",
    metavar="NAMESPACE",
    default="",
    help="Delete the pipeline run's TrainJobs in this namespace of the kubeconfig's cluster instead; needs --run-id.",
)
@click.option("--dry-run", is_flag=True, help="List the rollouts and change nothing.")
@click.option("--timeout-seconds", default=1800.0, show_default=True, help="Total timeout in seconds.")
def reconcile_command(
    resource_group: str,
    workspace: str,
    subscription_id: str,
    databricks_host: str,
    kubernetes_namespace: str,
    **options: Any,
) -> None:
    """Clean up unfinished rollouts: roll back traffic and delete what they created.

    Filters are combined with AND; at least one is required.
    """
    if databricks_host:
        with run_step(clean_up.NAME):
            clean_up.clean_up(databricks_host, options["run_id"], dry_run=options["dry_run"])
        return
    if kubernetes_namespace:
        with run_step(NAME):
            delete_resources(connect(kubernetes_namespace), options["run_id"], dry_run=options["dry_run"])
        return
    with run_step(NAME):
        reconcile(workspace=WorkspaceName(resource_group, workspace, subscription_id), **options)
