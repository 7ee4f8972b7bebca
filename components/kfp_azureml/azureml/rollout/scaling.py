"""How a deployment scales: with Azure Monitor, or on Kubernetes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from kfp_azureml.azureml.rollout.named_fields import read_fields, read_whole
from kfp_azureml.runtime.errors import DeploymentError


@dataclass(frozen=True)
class Scaling:
    """How many instances a deployment may have.

    Attributes:
        max_instances: Maximum number.
        min_instances: Minimum number.
        target_utilization_percentage: CPU utilization on managed endpoints, share of busy instances on Kubernetes.
        polling_interval: Seconds between two looks, on Kubernetes; Azure Monitor looks every minute.
    """

    max_instances: int
    min_instances: int = 1
    target_utilization_percentage: int = 70
    polling_interval: int = 1

    def nearest(self, count: int) -> int:
        """Return the nearest number of instances that is allowed."""
        return min(max(count, self.min_instances), self.max_instances)


def read_scaling(value: dict[str, Any], *, on_kubernetes: bool) -> Scaling | None:
    """Read the parameter `autoscale`; empty changes nothing.

    Raises:
        DeploymentError: If it has other fields, or a number is out of range.
    """
    given = read_fields("autoscale", value, [field.name for field in fields(Scaling)])
    if not value:
        return None
    if "max_instances" not in given:
        raise DeploymentError("autoscale: max_instances is missing")
    if "polling_interval" in given and not on_kubernetes:
        raise DeploymentError("autoscale polling_interval: is for Kubernetes; Azure Monitor looks every minute")
    highest = {"target_utilization_percentage": 100}
    scaling = Scaling(
        **{name: read_whole(f"autoscale {name}", number, 1, highest.get(name)) for name, number in given.items()}
    )
    if scaling.min_instances > scaling.max_instances:
        raise DeploymentError(
            f"autoscale min_instances {scaling.min_instances}: is more than max_instances {scaling.max_instances}"
        )
    return scaling
