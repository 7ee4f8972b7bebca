"""Connect to a workspace, with the SDK's preview features that conditions need."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from kfp_azureml.azureml.workspace import workspace_client

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

PREVIEWS = "AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED"
"""Environment variable that enables conditions in the SDK if it is `true` when the SDK is imported."""


def connect(resource_group: str = "", workspace: str = "", subscription_id: str = "") -> MLClient:
    """Connect to an Azure ML workspace and check that it responds; see `workspace_client`.

    Args:
        resource_group: The workspace's resource group.
        workspace: The workspace's name. Without both, they are read from `config.json`.
        subscription_id: The workspace's subscription; empty selects AZ_SUBSCRIPTION_ID, or that in `config.json`.

    Raises:
        CredentialsError: If the credentials are incomplete or rejected.
        WorkspaceError: If no workspace is given, or it does not exist or cannot be reached.
    """
    allow_conditions()
    # The SDK warns about each of its experimental classes.
    logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)
    return workspace_client(resource_group, workspace, subscription_id)


def allow_conditions() -> bool:
    """Enable conditions in the SDK; return False if it is already imported without them."""
    if os.environ.get(PREVIEWS, "").lower() == "true":
        return True
    if "azure.ai.ml" in sys.modules:
        return False
    os.environ[PREVIEWS] = "true"
    return True
