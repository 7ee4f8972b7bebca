"""The pods of a resource: why they do not run, and how they ended."""

from __future__ import annotations

from collections.abc import Sequence

from kfp_azureml.engines.api import Api
from kfp_azureml.engines.kinds import Kind, Resource
from kfp_azureml.runtime.terminal import short

_STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})


def pods_of(api: Api, kind: Kind, name: str) -> list[Resource]:
    """Return the pods of a resource, by worker.

    Raises:
        ApiError: If they cannot be listed.
    """
    query = {"labelSelector": f"{kind.pod_label}={name}"}
    listed = api.get(f"/api/v1/namespaces/{api.namespace}/pods", for_seconds=0, **query).get("items", [])
    return sorted(listed, key=lambda pod: (_number(kind, pod), pod["metadata"]["name"]))


def is_over(pod: Resource) -> bool:
    """Tell whether all containers of a pod have ended."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def is_running(pod: Resource) -> bool:
    """Tell whether a pod's containers run."""
    return str(pod.get("status", {}).get("phase")) == "Running"


def waiting_reasons(kind: Kind, pods: Sequence[Resource]) -> list[str]:
    """Return why pods do not run: no node has room, an image cannot be pulled, a container is not created."""
    reasons: dict[str, list[str]] = {}
    for pod in pods:
        if reason := _waiting_reason(pod):
            reasons.setdefault(reason, []).append(kind.worker(pod))
    return [f"{', '.join(workers)}: {reason}" for reason, workers in reasons.items()]


def _waiting_reason(pod: Resource) -> str:
    status = pod.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return short(f"{condition.get('reason', '')}: {condition.get('message', '')}")
    for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason", "") not in _STARTING:
            return short(f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": "))
    return ""


def exit_reasons(kind: Kind, pods: Sequence[Resource]) -> list[str]:
    """Return how failed pods ended: `worker 1: OOMKilled (exit code 137)`."""
    reasons = ((kind.worker(pod), _exit_reason(kind, pod)) for pod in pods)
    return [f"{worker}: {reason}" for worker, reason in reasons if reason]


def _exit_reason(kind: Kind, pod: Resource) -> str:
    status = pod.get("status", {})
    if status.get("phase") == "Failed" and status.get("reason"):  # Evicted, and the like
        return short(f"{status['reason']}: {status.get('message', '')}".rstrip(": "))
    for container in status.get("containerStatuses", []):
        ended = container.get("state", {}).get("terminated") or {}
        if container.get("name") == kind.container and ended.get("exitCode"):
            return f"{ended.get('reason') or 'Error'} (exit code {ended['exitCode']})"
    return ""


def _number(kind: Kind, pod: Resource) -> int:
    index = pod["metadata"].get("labels", {}).get(kind.index_label, "")
    return int(index) if index.isdecimal() else -1
