"""Attached Kubernetes clusters: computes, instance types, deployment settings."""

from __future__ import annotations

from azureml_emulator.arm.durations import duration_seconds
from azureml_emulator.arm.errors import bad_request, not_found
from azureml_emulator.arm.resources import object_in
from azureml_emulator.store import Document, Store

HOST = "127.0.0.1"
"""The address of every cluster."""
# Azure ML creates this instance type, with these resources, when a cluster is attached.
DEFAULT_INSTANCE_TYPE = "defaultinstancetype"
INSTANCE_TYPES = {
    DEFAULT_INSTANCE_TYPE: {
        "nodeSelector": None,
        "resources": {
            "requests": {"cpu": "100m", "memory": "2Gi"},
            "limits": {"cpu": "2", "memory": "2Gi", "nvidia.com/gpu": None},
        },
    },
}
TARGET_UTILIZATION = {
    "minInstances": 1,
    "maxInstances": 1,
    "pollingInterval": "PT1S",
    "targetUtilizationPercentage": 70,
}


def cluster_properties(compute_id: str, given: Document) -> Document:
    """Return the compute type and properties of an attached cluster."""
    group, _, compute = compute_id.partition("/providers/")
    cluster = f"{group}/providers/Microsoft.ContainerService/managedClusters/{compute.rsplit('/', 1)[-1]}"
    return {
        "computeType": "Kubernetes",
        "resourceId": given.get("resourceId") or cluster,
        "properties": {
            "namespace": object_in(given, "properties").get("namespace") or "default",
            "defaultInstanceType": DEFAULT_INSTANCE_TYPE,
            "instanceTypes": INSTANCE_TYPES,
        },
    }


def checked_compute(store: Store, asked: object) -> Document:
    """Return the Kubernetes compute with an ARM id.

    Raises:
        ArmError: 404, if it does not exist; 400, if it is no Kubernetes cluster.
    """
    compute = store.get(asked) if isinstance(asked, str) else None
    if compute is None:
        raise not_found(str(asked))
    if compute["properties"].get("computeType") != "Kubernetes":
        raise bad_request(f"{asked} is not a Kubernetes compute: online endpoints run only on attached clusters.")
    return compute


def base_address(endpoint: str, port: int) -> str:
    """Return an endpoint's base URL: the address of its cluster, without TLS and a name (recorded 2022)."""
    return f"http://{HOST}:{port}/api/v1/endpoint/{endpoint}"


def deployment_settings(properties: Document, compute: Document) -> Document:
    """Apply the cluster's defaults to a deployment's instances, resources and scaling.

    Raises:
        ArmError: 400, if the instance type does not exist or a setting is invalid.
    """
    cluster = compute["properties"]["properties"]
    instance_type = properties.get("instanceType") or cluster["defaultInstanceType"]
    if instance_type not in cluster["instanceTypes"]:
        known = ", ".join(cluster["instanceTypes"])
        raise bad_request(f"The compute {compute['name']} has no instance type {instance_type!r}: it has {known}.")
    resources = cluster["instanceTypes"][instance_type]["resources"]
    asked = object_in(properties, "containerResourceRequirements")
    scale = object_in(properties, "scaleSettings")
    if scale.get("scaleType") == "TargetUtilization":
        scale = TARGET_UTILIZATION | {name: value for name, value in scale.items() if value is not None}
        duration_seconds(scale["pollingInterval"])
    return {
        "instanceType": instance_type,
        "containerResourceRequirements": {
            "containerResourceRequests": _container(resources["requests"], asked, "containerResourceRequests"),
            "containerResourceLimits": _container(resources["limits"], asked, "containerResourceLimits"),
        },
        "scaleSettings": scale,
    }


def _container(instance_type: Document, asked: Document, name: str) -> Document:
    """Return one container's resources: the deployment's, else the instance type's."""
    has = {"cpu": instance_type["cpu"], "memory": instance_type["memory"], "gpu": instance_type.get("nvidia.com/gpu")}
    return has | {resource: value for resource, value in object_in(asked, name).items() if value is not None}
