"""Connecting to the workspace, with what pipelines need of the SDK."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from kfp_azureml.azureml.workspace import workspace_client

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

PREVIEWS = "AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED"
"""Azure ML runs conditions, but its SDK takes them only where this variable is `true` when it is imported."""


def connect(resource_group: str = "", workspace: str = "", subscription_id: str = "") -> MLClient:
    """Connect to an Azure ML workspace and check that it answers; see `workspace_client`.

    Args:
        resource_group: The workspace's resource group.
        workspace: Its name. Without both a `config.json` says them.
        subscription_id: Its subscription; empty: from AZ_SUBSCRIPTION_ID, or with the names.

    Raises:
        CredentialsError: If the credentials are incomplete or refused.
        WorkspaceError: If the workspace is not named, does not exist or cannot be reached.
    """
    allow_conditions()
    # A line for each of the SDK's own classes that may change, nothing to do with the user.
    logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)
    return workspace_client(resource_group, workspace, subscription_id)


def allow_conditions() -> bool:
    """Make the SDK take pipelines with conditions; say whether it does, which it does not if it was imported before."""
    if os.environ.get(PREVIEWS, "").lower() == "true":
        return True
    if "azure.ai.ml" in sys.modules:
        return False
    os.environ[PREVIEWS] = "true"
    return True
