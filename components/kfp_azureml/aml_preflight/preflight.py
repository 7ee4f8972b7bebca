"""Credentials and workspace, tried before training starts instead of after it."""

from __future__ import annotations

from kfp_azureml.azureml.workspace import workspace_client
from kfp_azureml.steps import progress


def check_workspace(resource_group: str = "", workspace: str = "") -> None:
    """Sign in and read the workspace.

    Args:
        resource_group: The workspace's resource group; empty: from the workspace's config.json.
        workspace: The workspace's name; empty: from the workspace's config.json.

    Raises:
        CredentialsError: If the credentials are incomplete or refused.
        WorkspaceError: If the workspace is not named, does not exist or cannot be reached.
    """
    client = workspace_client(resource_group, workspace)
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
