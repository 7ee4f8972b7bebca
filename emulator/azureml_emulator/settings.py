"""Settings of one run of the emulator: names, credentials, durations."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import jwt

from azureml_emulator.host_names import DATABRICKS_HOST_SUFFIX


def _new_federated_token() -> str:
    """A token in the form a cluster gives to a pod; its claims are not checked."""
    claims = {"aud": "api://AzureADTokenExchange", "sub": "system:serviceaccount:kubeflow:pipeline-runner"}
    return jwt.encode(claims, secrets.token_bytes(32), "HS256")


@dataclass(frozen=True)
class Settings:
    """One local Azure: a subscription with one resource group and one workspace.

    Attributes:
        state_dir: Folder of all state.
        resource_group: Name of the only resource group.
        workspace: Name of the only workspace.
        location: The emulated Azure region.
        subscription_id: The only subscription.
        tenant_id: The only directory.
        client_id: The only application that can sign in.
        client_secret: Its secret; new at each start.
        token_seconds: Lifetime of access tokens.
        retry_after: Seconds between polls of a long-running operation (`Retry-After`); None sends none, as the service.
        keyless_storage: Whether the storage account refuses keys, so that clients need an identity.
        endpoint_seconds: Minimum duration of creating, updating or deleting an endpoint.
        settle_seconds: How long endpoints and deployments refuse changes after an operation succeeded.
        metrics_lag_seconds: Delay before a request shows in Azure Monitor.
        quota_cores: Cores per VM family for managed deployments; None for no limit.
        scoring: `real` builds environments and runs inference servers; with `instant` the emulator itself answers.
        control: Whether the control API is enabled.
        control_token: Its token; new at each start.
        federated_token: Signs the application in as a Kubernetes service account; new at each start.
        databricks_workspace_id: The number of the only Databricks workspace.
        databricks_token: Its personal access token; new at each start.
        spark_python: Interpreter of Databricks' tasks, with PySpark; None for the emulator's own.
        job_slots: How many job commands run at once.
        environment_pythons: Local interpreters by what they replace: an environment, an image, or `python3.8`.
        local_data: Local files and folders by the web address that they replace as inputs of jobs.
        web_input_gib: How much a job can download as inputs at web addresses, in GiB; a pipeline's steps are jobs.
        access_log: Gets one line per request; None for a file in the state folder.
        client_seconds: Deadline for a client's TLS handshake and for a request's headers.
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
    retry_after: int | None = None
    keyless_storage: bool = False
    endpoint_seconds: float = 0.0
    settle_seconds: float = 0.0
    metrics_lag_seconds: float = 0.0
    quota_cores: int | None = None
    scoring: Literal["real", "instant"] = "real"
    control: bool = False
    control_token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    federated_token: str = field(default_factory=_new_federated_token, repr=False)
    databricks_workspace_id: int = 1_000_000_000_000_001
    databricks_token: str = field(default_factory=lambda: f"dapi{secrets.token_hex(16)}", repr=False)
    spark_python: Path | None = None
    job_slots: int = 2
    environment_pythons: Mapping[str, Path] = field(default_factory=dict)
    local_data: Mapping[str, Path] = field(default_factory=dict)
    web_input_gib: float = 4.0
    access_log: Path | None = None
    client_seconds: float = 20.0

    @property
    def workspace_id(self) -> str:
        """The workspace's ARM id."""
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )

    @property
    def api_host(self) -> str:
        """The host of the data plane: MLflow, artifacts, run history."""
        return f"{self.location}.api.azureml.ms"

    @property
    def databricks_host(self) -> str:
        """The host of the Databricks workspace."""
        return f"adb-{self.databricks_workspace_id}.{self.databricks_workspace_id % 20}{DATABRICKS_HOST_SUFFIX}"

    @property
    def tracking_uri(self) -> str:
        """The workspace's MLflow tracking URI, for clients with azureml-mlflow."""
        return f"azureml://{self.api_host}/mlflow/v1.0{self.workspace_id}"
