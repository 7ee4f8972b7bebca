"""What is different on an attached Kubernetes cluster: its computes, instance types and deployment settings."""

from __future__ import annotations

from azureml_emulator.arm.durations import duration_seconds
from azureml_emulator.arm.errors import bad_request, not_found
from azureml_emulator.arm.resources import new_resource, object_in
from azureml_emulator.store import Document, Store

# Azure ML makes this instance type when a cluster is attached, with these resources.
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


def attach_cluster(store: Store, compute_id: str, location: str) -> None:
    """Attach a Kubernetes cluster to the workspace.

    Args:
        store: Where to.
        compute_id: ARM id of the compute it becomes.
        location: Its Azure region.
    """
    properties = {
        **cluster_properties(compute_id, {}),
        "computeLocation": location,
        "description": None,
        "isAttachedCompute": True,
        "provisioningState": "Succeeded",
        "provisioningErrors": None,
    }
    store.put(new_resource(compute_id, properties, location=location, tags={}))


def cluster_properties(compute_id: str, given: Document) -> Document:
    """Say what an attached cluster is.

    Args:
        compute_id: ARM id of the compute.
        given: What the client said of it.

    Returns:
        Its type, and what is particular to it.
    """
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
    """Find the cluster that an endpoint is to be on.

    Args:
        store: Where the workspace's computes are.
        asked: The endpoint's `compute`, an ARM id.

    Returns:
        The compute.

    Raises:
        ArmError: 404 or 400, if it is not there or is no Kubernetes cluster.
    """
    compute = store.get(asked) if isinstance(asked, str) else None
    if compute is None:
        raise not_found(str(asked))
    if compute["properties"].get("computeType") != "Kubernetes":
        raise bad_request(f"{asked} is not a Kubernetes compute: online endpoints can be on attached clusters only.")
    return compute


def scoring_host(compute: str, location: str) -> str:
    """Say under which host name a cluster answers: the one of a load balancer with a DNS label.

    Args:
        compute: The compute's name.
        location: Its Azure region.

    Returns:
        The host name.
    """
    return f"{compute.lower()}.{location}.cloudapp.azure.com"


def deployment_settings(properties: Document, compute: Document) -> Document:
    """Complete what a deployment says about instances, containers and scaling.

    Args:
        properties: The deployment's properties.
        compute: The cluster it is on.

    Returns:
        The properties that the service adds or changes.

    Raises:
        ArmError: 400, if the cluster has no such instance type or the settings cannot be read.
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
    """One container's resources: what the deployment asks for, else what its instance type has."""
    has = {"cpu": instance_type["cpu"], "memory": instance_type["memory"], "gpu": instance_type.get("nvidia.com/gpu")}
    return has | {resource: value for resource, value in object_in(asked, name).items() if value is not None}
