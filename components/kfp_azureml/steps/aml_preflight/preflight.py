"""Check names, credentials and workspace before training starts."""

from __future__ import annotations

from kfp_azureml.azureml.names import ENDPOINT, MODEL, check_name
from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.runtime.step import progress

NAME = "aml_preflight"


def preflight(*, workspace: WorkspaceName, model_name: str, endpoint_name: str) -> None:
    """Check the names, sign in and read the workspace; the component has the arguments.

    Raises:
        InvalidNameError: If Azure ML does not accept a name.
        CredentialsError: If the credentials are incomplete or rejected.
        WorkspaceError: If the workspace is not named, does not exist or cannot be reached.
    """
    if model_name:
        check_name(MODEL, model_name, "model_name")
    if endpoint_name:
        check_name(ENDPOINT, endpoint_name, "endpoint_name")

    from kfp_azureml.azureml.workspace import workspace_client

    client = workspace_client(*workspace)
    progress(f"workspace {client.workspace_name} in resource group {client.resource_group_name} is reachable")


def cache_version(data_version: str, run_id: str) -> str:
    """Return the version that prep is cached under: `data_version`, or else the unique run id.

    The content of a URI can change unnoticed, so only a run that names the data's version may reuse a cached result.
    """
    return data_version or run_id
