"""The workspace: finding it, knowing at once that it answers, and linking to its studio."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kfp_azureml import azcreds
from kfp_azureml.azureml.credentials import credential
from kfp_azureml.azureml.failures import azure_errors
from kfp_azureml.azureml.retries import SDK_RETRIES, retrying
from kfp_azureml.azureml.workspace_config import configured_workspace
from kfp_azureml.runtime.errors import WorkspaceError
from kfp_azureml.runtime.step import quieten

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

# With show_progress=False the SDK drops what its upload threads raise, and waits for them for ever. Nothing is shown
# all the same: see `quiet_sdk`.
_CLIENT_SETTINGS: dict[str, Any] = {"enable_telemetry": False, "show_progress": True, **SDK_RETRIES}


def workspace_client(resource_group: str = "", workspace: str = "", subscription_id: str = "") -> MLClient:
    """Connect to an Azure ML workspace and check that it answers.

    Args:
        resource_group: The workspace's resource group.
        workspace: The workspace's name. Without both names a `config.json` says them, found the SDK's way: here or in
            a parent folder, or in their `.azureml` folders.
        subscription_id: The workspace's subscription; empty: from the secret `azcreds`, or with the names.

    Returns:
        A client of the workspace.

    Raises:
        CredentialsError: If the credentials are incomplete or refused.
        WorkspaceError: If the workspace is not named, does not exist or cannot be reached.
    """
    if bool(resource_group) != bool(workspace):
        raise WorkspaceError(f"{'workspace' if resource_group else 'resource_group'} is missing: give both or neither")
    identity = credential()
    subscription = workspace and (subscription_id or azcreds.subscription_id())

    from azure.ai.ml import MLClient

    # It has a handler of its own, which would mix remarks into the step's log.
    quieten("azure.ai.ml", logging.WARNING)
    place = (subscription, resource_group, workspace) if workspace else configured_workspace()
    _check_place(*place)
    client = MLClient(identity, *place, **_CLIENT_SETTINGS)
    with azure_errors(f"workspace {client.workspace_name} in resource group {client.resource_group_name}"):
        retrying("reading the workspace", lambda: client.workspaces.get(client.workspace_name))
    return client


def _check_place(subscription_id: str, resource_group: str, workspace: str) -> None:
    names = {"subscription_id": subscription_id, "resource_group": resource_group, "workspace": workspace}
    for name, value in names.items():
        if wrong := azcreds.flaw(value):
            raise WorkspaceError(f"{name} {value!r} {wrong}: remove it")
        if "/" in value:
            raise WorkspaceError(f"{name} {value!r} is not a name: it holds a slash")


def workspace_id(client: MLClient) -> str:
    """Return the Azure resource id of a client's workspace."""
    return (
        f"/subscriptions/{client.subscription_id}/resourceGroups/{client.resource_group_name}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{client.workspace_name}"
    )


def studio_url(client: MLClient, page: str) -> str:
    """Return the address of a page of Azure ML studio.

    Which tenant it is in is not said: that is one of the values of `azcreds`. Studio asks whoever is in several.

    Args:
        client: A client of the workspace.
        page: The page's path, such as `model/fashion:1/details`.
    """
    # A resource group's name may hold brackets, which would end a link.
    return f"https://ml.azure.com/{quote(page, safe='/:')}?wsid={quote(workspace_id(client))}"


@contextmanager
def quiet_sdk() -> Iterator[None]:
    """Keep the SDK's dots and blank lines out of the step's log.

    It prints them whatever `show_progress` says. Our own log is not touched: its handler holds the real stream.
    """
    with Path(os.devnull).open("w") as sink, redirect_stdout(sink), redirect_stderr(sink):
        yield
