"""What one run of the emulator is: its names, identities and paces."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """One local Azure: a subscription with one resource group and one workspace.

    Attributes:
        state_dir: Where everything it knows is kept.
        resource_group: Name of the only resource group.
        workspace: Name of the only workspace.
        location: The Azure region it plays.
        subscription_id: The only subscription.
        tenant_id: The only directory.
        client_id: The only application that may sign in.
        client_secret: Its secret, another one at each start.
        token_seconds: How long an access token is valid.
        retry_after: Seconds between polls of a long-running operation, as `Retry-After` tells clients.
        endpoint_seconds: How long creating, updating or deleting an endpoint takes at least.
        job_slots: How many commands of jobs run at once.
        environment_pythons: Interpreters of this machine that stand in for environments or images, by their names.
    """

    state_dir: Path
    resource_group: str = "local"
    workspace: str = "local"
    location: str = "eastus"
    subscription_id: str = "00000000-0000-0000-0000-000000000001"
    tenant_id: str = "00000000-0000-0000-0000-000000000002"
    client_id: str = "00000000-0000-0000-0000-000000000003"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    token_seconds: int = 3600
    retry_after: int = 1
    endpoint_seconds: float = 0.0
    job_slots: int = 2
    environment_pythons: Mapping[str, Path] = field(default_factory=dict)

    @property
    def workspace_id(self) -> str:
        """The workspace's ARM resource id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )
