"""Deployments on an attached Kubernetes cluster: compute, container resources, TLS."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from kfp_azureml.azureml.azure_errors import azure_errors
from kfp_azureml.azureml.retries import retrying
from kfp_azureml.runtime.errors import DeploymentError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Compute, OnlineDeployment, ResourceRequirementsSettings

_SIDES = ("requests", "limits")
_RESOURCES = ("cpu", "memory", "gpu")
# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_QUANTITY = re.compile(r"(\d+(\.\d*)?|\.\d+)(m|k|[MGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ContainerResources:
    """Resources of a deployment's containers on Kubernetes, as quantities of Kubernetes.

    Attributes:
        requests: What a node must have free, by `cpu`, `memory` and `gpu`; missing ones are the instance type's.
        limits: What a container may use, likewise.
    """

    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)

    def entity(self) -> ResourceRequirementsSettings:
        """Return the SDK's entity."""
        from azure.ai.ml.entities import ResourceRequirementsSettings, ResourceSettings

        sides = {side: getattr(self, side) for side in _SIDES}
        return ResourceRequirementsSettings(
            **{side: ResourceSettings(**values) for side, values in sides.items() if values}
        )

    def are_those_of(self, deployment: OnlineDeployment) -> bool:
        """Return whether a deployment has these resources."""
        there = getattr(deployment, "resources", None)
        return all(
            str(getattr(getattr(there, side, None), name, None)) == value
            for side in _SIDES
            for name, value in getattr(self, side).items()
        )


def read_resources(given: Mapping[str, Any], *, on_kubernetes: bool) -> ContainerResources | None:
    """Read the parameter `resources`; return None if it is empty.

    Raises:
        DeploymentError: If it is not for Kubernetes, has other fields, or a value is not a quantity.
    """
    if not given:
        return None
    if not on_kubernetes:
        raise DeploymentError("resources: are for Kubernetes; on a managed endpoint set instance_type")
    sides: dict[str, dict[str, str]] = {}
    for side, values in given.items():
        if side not in _SIDES or not isinstance(values, Mapping):
            raise DeploymentError(
                f'resources {side!r}: expected requests and limits, such as {{"requests": {{"cpu": "500m", '
                '"memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}}'
            )
        sides[side] = {name: _quantity(f"resources {side} {name}", name, value) for name, value in values.items()}
    return ContainerResources(**sides)


def _quantity(what: str, name: str, value: object) -> str:
    if name not in _RESOURCES:
        raise DeploymentError(f"{what}: expected {', '.join(_RESOURCES)}")
    # kfp.local turns 1 into 1.0.
    text = f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)
    if not _QUANTITY.fullmatch(text):
        raise DeploymentError(f"{what} {text!r}: is not a quantity of Kubernetes, such as 500m or 1Gi")
    return text


def check_compute(client: MLClient, compute: str, instance_type: str) -> None:
    """Check that an attached cluster can take a deployment.

    Args:
        client: A client of the workspace.
        compute: The compute's name or Azure resource id.
        instance_type: Instance type of the cluster; empty for its default.

    Raises:
        DeploymentError: If the compute is not attached, is no Kubernetes cluster, its attachment failed, or it lacks
            the instance type.
    """
    name = compute_name(compute)
    with azure_errors(f"reading compute {name}", DeploymentError):
        found = find_compute(client, compute)
    if found is None:
        raise DeploymentError(
            f"compute {name} is not attached to workspace {client.workspace_name}: attach the cluster, set another "
            "compute, or leave it empty"
        )
    if str(found.type).lower() != "kubernetes":
        raise DeploymentError(
            f"compute {name}: is of type {found.type}, and online endpoints run on Kubernetes only: set another "
            "compute, or leave it empty for a managed endpoint"
        )
    if found.provisioning_state in ("Failed", "Canceled"):
        raise DeploymentError(
            f"compute {name}: attaching it failed ({found.provisioning_errors or found.provisioning_state}): detach it "
            "and attach it again with the same name and namespace"
        )
    types = _instance_types(found)
    if instance_type and types and instance_type not in types:
        raise DeploymentError(
            f"instance_type {instance_type}: compute {name} has {', '.join(sorted(types))}: set one of them, or create "
            "it in the cluster (a custom resource of kind InstanceType)"
        )


def find_compute(client: MLClient, compute: str) -> Compute | None:
    """Return a compute; None if it is not attached.

    Raises:
        AzureError: As the SDK raises it.
    """
    name = compute_name(compute)
    try:
        found: Compute = retrying(f"reading compute {name}", lambda: client.compute.get(name))
    except ResourceNotFoundError:
        return None
    return found


def compute_name(compute: str | None) -> str:
    """Return a compute's name from its name or Azure resource id; empty for a managed endpoint."""
    return (compute or "").rsplit("/", 1)[-1]


def warn_without_tls(endpoint_name: str, scoring_uri: str) -> None:
    """Warn that the key and the data of requests are not encrypted, if the scoring URI is http."""
    if scoring_uri.lower().startswith("http://"):
        logger.warning(
            "endpoint %s: %s has no TLS: its key and all data are sent unencrypted, also by this step's probes: set "
            "sslCertPemFile and sslKeyPemFile of the cluster's azureml extension, or keep the address in a private "
            "network",
            endpoint_name,
            scoring_uri,
        )


def _instance_types(compute: Compute) -> set[str]:
    """Return the names of a cluster's instance types; empty if the service does not say."""
    properties = getattr(compute, "properties", None) or {}
    return set(properties.get("instanceTypes") or properties.get("instance_types") or {})
