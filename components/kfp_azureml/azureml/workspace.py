"""Connect to a workspace, and link to its pages in Azure ML studio."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kfp_azureml import azcreds
from kfp_azureml.azureml.azure_errors import azure_errors
from kfp_azureml.azureml.credentials import credential
from kfp_azureml.azureml.poll_pace import PollPace
from kfp_azureml.azureml.retries import SDK_RETRIES, retrying
from kfp_azureml.azureml.workspace_config import configured_workspace
from kfp_azureml.runtime.errors import WorkspaceError
from kfp_azureml.runtime.step import quieten

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

# With show_progress=False the SDK drops errors of its upload threads and waits for them forever. `quiet_sdk` hides the
# progress.
_CLIENT_SETTINGS: dict[str, Any] = {"enable_telemetry": False, "show_progress": True, **SDK_RETRIES}


def workspace_client(resource_group: str = "", workspace: str = "", subscription_id: str = "") -> MLClient:
    """Connect to an Azure ML workspace and check that it responds.

    Args:
        resource_group: The workspace's resource group.
        workspace: The workspace's name. Without both, they are read from `config.json` as by the SDK: in this folder or
            a parent folder, or in their `.azureml` folders.
        subscription_id: The workspace's subscription; empty selects AZ_SUBSCRIPTION_ID, or that in `config.json`.

    Returns:
        A client of the workspace.

    Raises:
        CredentialsError: If the credentials are incomplete or rejected.
        WorkspaceError: If no workspace is given, or it does not exist or cannot be reached.
    """
    identity = credential()
    place = workspace_place(resource_group, workspace, subscription_id)

    from azure.ai.ml import MLClient

    # The SDK's own handler would write its messages into the step's log.
    quieten("azure.ai.ml", logging.WARNING)
    client = MLClient(identity, *place, per_call_policies=PollPace(), **_CLIENT_SETTINGS)
    with azure_errors(f"workspace {client.workspace_name} in resource group {client.resource_group_name}"):
        retrying("reading the workspace", lambda: client.workspaces.get(client.workspace_name))
    return client


def workspace_place(resource_group: str, workspace: str, subscription_id: str) -> tuple[str, str, str]:
    """Return subscription, resource group and workspace as given, or as a `config.json` has them.

    Raises:
        CredentialsError: If a workspace is given without a subscription and AZ_SUBSCRIPTION_ID is not valid.
        WorkspaceError: If no workspace is given or configured, or a name is malformed.
    """
    if bool(resource_group) != bool(workspace):
        raise WorkspaceError(f"{'workspace' if resource_group else 'resource_group'} is missing: set both or neither")
    subscription = workspace and (subscription_id or azcreds.subscription_id())
    place = (subscription, resource_group, workspace) if workspace else configured_workspace()
    _check_place(*place)
    return place


def _check_place(subscription_id: str, resource_group: str, workspace: str) -> None:
    names = {"subscription_id": subscription_id, "resource_group": resource_group, "workspace": workspace}
    for name, value in names.items():
        if wrong := azcreds.malformed_reason(value):
            raise WorkspaceError(f"{name} {value!r} {wrong}")
        if "/" in value:
            raise WorkspaceError(f"{name} {value!r} contains a slash: set the name only")


def workspace_id(client: MLClient) -> str:
    """Return the Azure resource id of a client's workspace."""
    return (
        f"/subscriptions/{client.subscription_id}/resourceGroups/{client.resource_group_name}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{client.workspace_name}"
    )


def studio_url(client: MLClient, page: str) -> str:
    """Return the URL of a page of Azure ML studio.

    It does not contain the tenant, which is a value of `azcreds`; studio asks users of several tenants.

    Args:
        client: A client of the workspace.
        page: The page's path, such as `model/fashion:1/details`.
    """
    # A resource group's name may contain parentheses, which would end a Markdown link.
    return f"https://ml.azure.com/{quote(page, safe='/:')}?wsid={quote(workspace_id(client))}"


@contextmanager
def quiet_sdk() -> Iterator[None]:
    """Suppress the progress dots and blank lines that the SDK prints whatever `show_progress` is.

    Log records are not affected: their handler keeps the real stream.
    """
    with Path(os.devnull).open("w") as sink, redirect_stdout(sink), redirect_stderr(sink):
        yield
