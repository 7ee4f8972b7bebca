"""Names, credentials and workspace, tried before training starts instead of after it."""

from __future__ import annotations

import click

from kfp_azureml.azureml.names import ENDPOINT, MODEL, check_name
from kfp_azureml.runtime.step import progress, run_step

NAME = "aml_preflight"


def preflight(
    resource_group: str = "",
    workspace: str = "",
    *,
    subscription_id: str = "",
    model_name: str = "",
    endpoint_name: str = "",
) -> None:
    """Check the names, sign in and read the workspace.

    Args:
        resource_group: The workspace's resource group; empty: from the workspace's config.json.
        workspace: The workspace's name; empty: from the workspace's config.json.
        subscription_id: The workspace's subscription; empty: from the secret azcreds, or from the config.json.
        model_name: The name to register a model under; empty: not checked.
        endpoint_name: The endpoint to deploy it to; empty: not checked.

    Raises:
        InvalidNameError: If Azure ML does not accept the model's or the endpoint's name.
        CredentialsError: If the credentials are incomplete or refused.
        WorkspaceError: If the workspace is not named, does not exist or cannot be reached.
    """
    if model_name:
        check_name(MODEL, model_name, "model_name")
    if endpoint_name:
        check_name(ENDPOINT, endpoint_name, "endpoint_name")

    from kfp_azureml.azureml.workspace import workspace_client

    client = workspace_client(resource_group, workspace, subscription_id)
    progress(f"workspace {client.workspace_name} in {client.resource_group_name} answers")


def cache_version(data_version: str, run_id: str) -> str:
    """Return what makes prep's cached result valid.

    What a URI names can change without a trace. So only a run that says which version of the data it wants may take
    over the prep of an earlier run; all others get a version that no other run has.

    Args:
        data_version: The user's name for the state of the data, or nothing.
        run_id: The pipeline run's id.
    """
    return data_version or run_id


@click.command(help=__doc__)
@click.option("--resource-group", default="", help="Default: from config.json.")
@click.option("--workspace", default="", help="Default: from config.json.")
@click.option("--subscription-id", default="", help="Default: AZ_SUBSCRIPTION_ID, or from config.json.")
@click.option("--model-name", default="", help="Default: not checked.")
@click.option("--endpoint-name", default="", help="Default: not checked.")
def main(**arguments: str) -> None:
    """Run the step from the shell; the options are `preflight`'s arguments."""
    with run_step(NAME):
        preflight(**arguments)


if __name__ == "__main__":
    main()
