"""What one run of the emulator is: its names, identities and paces."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import jwt


def _new_federated_token() -> str:
    """A token as a cluster gives it to a pod; nobody looks into it."""
    claims = {"aud": "api://AzureADTokenExchange", "sub": "system:serviceaccount:kubeflow:pipeline-runner"}
    return jwt.encode(claims, secrets.token_bytes(32), "HS256")


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
        keyless_storage: Whether the storage account forbids keys: clients need an identity of their own.
        endpoint_seconds: How long creating, updating or deleting an endpoint takes at least.
        settle_seconds: How long endpoints and deployments still refuse changes after they succeeded.
        metrics_lag_seconds: How long Azure Monitor does not know of a request to a deployment.
        quota_cores: How many cores of each family of machines managed deployments may have; None for no limit.
        scoring: `real`: environments are built and inference servers run. `instant`: the emulator itself answers.
        control: Whether the control API is there.
        control_token: Its token, another one at each start.
        federated_token: What signs the application in as a Kubernetes service account, another one at each start.
        job_slots: How many commands of jobs run at once.
        environment_pythons: Interpreters of this machine that stand in for environments or images, by their names.
        access_log: Gets a line a request; None for a file in the state folder.
        client_seconds: Deadline for a client's TLS handshake, and for the head of its request.
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
    keyless_storage: bool = False
    endpoint_seconds: float = 0.0
    settle_seconds: float = 0.0
    metrics_lag_seconds: float = 0.0
    quota_cores: int | None = None
    scoring: Literal["real", "instant"] = "real"
    control: bool = False
    control_token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    federated_token: str = field(default_factory=_new_federated_token, repr=False)
    job_slots: int = 2
    environment_pythons: Mapping[str, Path] = field(default_factory=dict)
    access_log: Path | None = None
    client_seconds: float = 20.0

    @property
    def workspace_id(self) -> str:
        """The workspace's ARM resource id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )

    @property
    def api_host(self) -> str:
        """The host of the data plane: MLflow, artifacts, run history."""
        return f"{self.location}.api.azureml.ms"

    @property
    def tracking_uri(self) -> str:
        """The address of the workspace's MLflow, for clients with the azureml plugin."""
        return f"azureml://{self.api_host}/mlflow/v1.0{self.workspace_id}"
