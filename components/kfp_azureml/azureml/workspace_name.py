"""The name of an Azure ML workspace, as steps are given it."""

from __future__ import annotations

from typing import NamedTuple


class WorkspaceName(NamedTuple):
    """A workspace's name; see `workspace.workspace_client` for what empty parts mean.

    Attributes:
        resource_group: The workspace's resource group.
        workspace: The workspace's own name.
        subscription_id: The workspace's subscription.
    """

    resource_group: str
    workspace: str
    subscription_id: str
