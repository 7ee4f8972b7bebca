"""The component's parameters that describe the deployment; the v1 files can set them too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kfp_azureml.azureml.rollout.desired_state import Machines, ServingSettings
from kfp_azureml.azureml.rollout.kubernetes import read_resources
from kfp_azureml.azureml.rollout.scaling import read_scaling
from kfp_azureml.azureml.rollout.server_settings import (
    ServerSettings,
    read_data_collection,
    read_probes,
    read_request_settings,
)


@dataclass(frozen=True)
class Parameters:
    """The parameters, not validated yet; the component describes those that it has.

    Attributes:
        conda: Parsed conda file in place of `conda_file`.
        variables: Environment variables for the entry script.
        max_queue_wait_ms: How long a request may queue, on Kubernetes.
    """

    deployment_name: str
    compute: str
    instance_type: str
    instance_count: int
    resources: dict[str, Any]
    autoscale: dict[str, Any]
    code: Path | None
    scoring_script: str
    environment: str
    conda_file: str
    image: str
    request_timeout_seconds: int
    max_concurrent_requests: int
    app_insights: bool
    data_collector: dict[str, Any]
    probes: dict[str, Any]
    conda: dict[str, Any] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    max_queue_wait_ms: int | None = None

    @property
    def machines(self) -> Machines:
        """What the deployment runs on.

        Raises:
            DeploymentError: If a parameter is invalid.
        """
        resources = read_resources(self.resources, on_kubernetes=bool(self.compute))
        scaling = read_scaling(self.autoscale, on_kubernetes=bool(self.compute))
        return Machines(self.compute, self.instance_type, self.instance_count, resources, scaling)

    @property
    def serving_settings(self) -> ServingSettings:
        """What serves the model.

        Raises:
            DeploymentError: If the parameters do not go together.
        """
        conda_file = Path(self.conda_file) if self.conda_file else None
        return ServingSettings(
            self.code, self.scoring_script, self.environment, conda_file, self.image, self.conda, self.variables
        )

    @property
    def server(self) -> ServerSettings:
        """Settings of the server.

        Raises:
            DeploymentError: If a parameter is invalid.
        """
        liveness, readiness = read_probes(self.probes)
        requests = read_request_settings(
            self.request_timeout_seconds,
            self.max_concurrent_requests,
            on_kubernetes=bool(self.compute),
            max_queue_wait_ms=self.max_queue_wait_ms,
        )
        collection = read_data_collection(self.data_collector)
        return ServerSettings(requests, liveness, readiness, self.app_insights, collection)
