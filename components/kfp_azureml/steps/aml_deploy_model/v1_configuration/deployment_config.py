"""deploymentconfig.json: what the deployment runs on, and how."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from kfp_azureml.steps.aml_deploy_model.v1_configuration.json_document import Section

COMPUTE_TYPES = ("ACI", "AKS", "AKSENDPOINT")
IGNORED = {
    "cname": "the endpoint has an address of its own: point the name there",
    "description": "deployments here have none: remove it",
    "dnsNameLabel": "the address is https://ENDPOINT.REGION.inference.ml.azure.com/score: set endpoint_name",
    "isControlVersionType": "traffic moves as the parameter strategy says: remove it",
    "isDefault": "traffic moves as the parameter strategy says: remove it",
    "keys": "the endpoint makes its own: read them (`az ml online-endpoint get-credentials`), and remove the secrets",
    "location": "the endpoint is in the workspace's region: remove it",
    "namespace": "the namespace is that of the attached compute: set it in `az ml compute attach --namespace`",
    "properties": "ignored as by SDK v1: remove it",
    "sslCertificate": "managed endpoints have Azure's, a cluster's is in its Azure ML extension: remove it",
    "sslKey": "managed endpoints have Azure's certificate: remove the secret",
    "tags": "ignored as by SDK v1: remove it",
    "tokenAuthEnabled": "endpoints get keys: create the endpoint before, with `auth_mode: aml_token`, and it stays so",
}
"""Fields without a counterpart, with what to do. The deployment is the same without them, or clients notice at once."""
REFUSED = {
    "keyName": "a workspace has the customer-managed key: remove it",
    "keyVersion": "a workspace has the customer-managed key: remove it",
    "subnetName": "set up the workspace's managed network, and remove it",
    "vaultBaseUrl": "a workspace has the customer-managed key: remove it",
    "vnetName": "set up the workspace's managed network, and remove it",
}
"""Fields without a counterpart that protect something: deploying without them would not be noticed."""
TRANSLATED = (
    *("appInsightsEnabled", "authEnabled", "autoScaler", "collectModelData", "computeTarget", "computeTargetName"),
    *("computeType", "containerResourceRequirements", "dataCollection", "enableAppInsights", "gpuCores"),
    *("livenessProbeRequirements", "maxConcurrentRequestsPerContainer", "maxQueueWaitMs", "numReplicas"),
    *("scoringTimeoutMs", "sslEnabled", "trafficPercentile", "versionName"),
)
PROBE_FIELDS = {
    "initialDelaySeconds": "initial_delay",
    "periodSeconds": "period",
    "timeoutSeconds": "timeout",
    "successThreshold": "success_threshold",
    "failureThreshold": "failure_threshold",
}
_MOST = 1_000_000


@dataclass(frozen=True)
class DeploymentConfig:
    """What a deploymentconfig.json asks for; None and empty where it does not say.

    Attributes:
        is_aks: Whether it was for AKS.
        compute_target: The AKS cluster.
        cpu: Cores of a container.
        memory_gb: Memory of a container.
        gpus: GPUs of a container.
        resources: In the form of the parameter `resources`, for Kubernetes.
        instance_count: Number of instances.
        autoscale: In the form of the parameter `autoscale`.
        polling_interval: Seconds between two looks of the autoscaler.
        timeout_seconds: Timeout of a request, rounded up.
        max_concurrent: Concurrent requests per container.
        max_queue_wait_ms: How long a request may queue.
        app_insights: Whether Application Insights is on.
        collects_data: Whether data is collected.
        liveness: In the form of the parameter `probes`, the liveness probe.
        version_name: Name of the deployment.
        traffic_percentile: Its share of the traffic.
        notes: What has no counterpart.
    """

    is_aks: bool
    compute_target: str
    cpu: float | None
    memory_gb: float | None
    gpus: int
    resources: dict[str, dict[str, str]]
    instance_count: int | None
    autoscale: dict[str, int]
    polling_interval: int | None
    timeout_seconds: int | None
    max_concurrent: int | None
    max_queue_wait_ms: int | None
    app_insights: bool
    collects_data: bool
    liveness: dict[str, int]
    version_name: str
    traffic_percentile: int | None
    notes: tuple[str, ...] = field(default=())


def read_deployment_config(document: Section) -> DeploymentConfig:
    """Read the configuration.

    Raises:
        DeploymentError: If a field has the wrong type, or asks for what endpoints lack and nobody would notice.
    """
    notes = document.unknown((*TRANSLATED, *IGNORED, *REFUSED, "ComputeTarget"))
    kind = document.text("computeType").upper()
    if kind not in COMPUTE_TYPES:
        needed = "run the pipeline on this machine instead (kfp-azureml run)" if kind == "LOCAL" else "set ACI or AKS"
        document.fail("computeType", needed if document.values.get("computeType") else f"missing: {needed}")
    for name, advice in REFUSED.items():
        if document.is_set(name):
            document.fail(name, f"has no counterpart on an endpoint: {advice}")
    for name, advice in IGNORED.items():
        if document.is_set(name):
            notes.append(f"{document.where(name)}: has no counterpart: {advice}")
    if document.flag("authEnabled") is False:
        notes.append(f"{document.where('authEnabled')}: endpoints always ask for a key: clients must send one")
    cpu, memory, gpus, resources = _resources(document, notes)
    autoscale, polling_interval = _autoscale(document, notes)
    collection = document.section("dataCollection")
    notes += collection.unknown(("storageEnabled", "eventHubEnabled"))
    if collection.flag("eventHubEnabled"):
        notes.append(f"{collection.where('eventHubEnabled')}: has no counterpart: data goes to the workspace's storage")
    milliseconds = document.whole("scoringTimeoutMs", 1, 300_000)  # the limit of SDK v1
    flags = [document.flag(name) for name in ("appInsightsEnabled", "enableAppInsights")]
    return DeploymentConfig(
        is_aks=kind != "ACI",
        compute_target=next(
            (name for key in ("computeTargetName", "computeTarget", "ComputeTarget") if (name := document.text(key))),
            "",
        ),
        cpu=cpu,
        memory_gb=memory,
        gpus=gpus,
        resources=resources,
        instance_count=document.whole("numReplicas", 0, _MOST) or None,
        autoscale=autoscale,
        polling_interval=polling_interval,
        timeout_seconds=math.ceil(milliseconds / 1000) if milliseconds else None,
        max_concurrent=document.whole("maxConcurrentRequestsPerContainer", 1, _MOST),
        max_queue_wait_ms=document.whole("maxQueueWaitMs", 0, _MOST) or None,
        app_insights=True in flags,
        collects_data=bool(collection.flag("storageEnabled") or document.flag("collectModelData")),
        liveness=_liveness(document, notes),
        version_name=document.text("versionName"),
        traffic_percentile=document.whole("trafficPercentile", 0, 100),
        notes=tuple(notes),
    )


def _resources(
    document: Section, notes: list[str]
) -> tuple[float | None, float | None, int, dict[str, dict[str, str]]]:
    """Return a container's largest cores and memory, its GPUs, and all as requests and limits."""
    section = document.section("containerResourceRequirements")
    notes += section.unknown(("cpu", "cpuLimit", "fpga", "gpu", "memoryInGB", "memoryInGBLimit"))
    if section.is_set("fpga"):
        section.fail("fpga", "has no counterpart: endpoints have no FPGAs")
    cores = [section.number(name, 0, 1000) for name in ("cpu", "cpuLimit")]
    memory = [section.number(name, 0, 10_000) for name in ("memoryInGB", "memoryInGBLimit")]
    gpus = max(section.whole("gpu", 0, 100) or 0, document.whole("gpuCores", 0, 100) or 0)
    resources = {}
    for side, cpu, gigabytes in zip(("requests", "limits"), cores, memory, strict=True):
        quantities = {"cpu": cpu and f"{cpu:g}", "memory": gigabytes and f"{gigabytes:g}Gi", "gpu": gpus and str(gpus)}
        resources[side] = {name: str(quantity) for name, quantity in quantities.items() if quantity}
    given = {side: quantities for side, quantities in resources.items() if quantities}
    return _largest(cores), _largest(memory), gpus, given


def _largest(values: list[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _autoscale(document: Section, notes: list[str]) -> tuple[dict[str, int], int | None]:
    """Return the scaling and its polling interval; empty and None without scaling."""
    section = document.section("autoScaler")
    names = {"minReplicas": 1, "maxReplicas": 10, "targetUtilization": 70}
    notes += section.unknown(("autoscaleEnabled", "refreshPeriodInSeconds", *names))
    smallest, largest, target = (
        section.whole(name, 1, 100 if name == "targetUtilization" else _MOST) or default
        for name, default in names.items()
    )
    polling = section.whole("refreshPeriodInSeconds", 1, _MOST)
    enabled, replicas = section.flag("autoscaleEnabled"), document.whole("numReplicas", 0, _MOST)
    if enabled and replicas:
        document.fail("numReplicas", "autoScaler is on and sets the number: remove one of them")
    if enabled is None:
        enabled = bool(section.values) and not replicas
        if document.text("computeType").upper() != "ACI" and not section.values and not replicas:
            notes.append(
                f"{document.where('autoScaler')}: SDK v1 scaled from 1 to 10 containers without it; here the number "
                "stays: set the parameter autoscale to scale"
            )
    if not enabled:
        return {}, None
    if smallest > largest:
        section.fail("minReplicas", f"is more than maxReplicas {largest}")
    scaling = {"min_instances": smallest, "max_instances": largest, "target_utilization_percentage": target}
    return scaling, polling


def _liveness(document: Section, notes: list[str]) -> dict[str, Any]:
    section = document.section("livenessProbeRequirements")
    notes += section.unknown(PROBE_FIELDS)
    numbers = {
        parameter: section.whole(name, 0 if name == "initialDelaySeconds" else 1, _MOST)
        for name, parameter in PROBE_FIELDS.items()
    }
    # 0 is not sent: the least initial delay is 1.
    return {name: max(number, 1) for name, number in numbers.items() if number is not None}
