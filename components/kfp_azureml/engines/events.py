"""Warnings in Kubernetes' events about a resource that has no pods yet."""

from __future__ import annotations

from kfp_azureml.engines.api import Api
from kfp_azureml.runtime.terminal import short


def warnings_about(api: Api, name: str) -> list[str]:
    """Return the latest warnings about a resource and what its operator created for it, such as jobs.

    A quota or a webhook that refuses pods is only said there.

    Args:
        api: The cluster.
        name: The resource; what belongs to it has a name that begins with it.

    Raises:
        ApiError: If the events cannot be listed.
    """
    path = f"/api/v1/namespaces/{api.namespace}/events"
    listed = api.get(path, for_seconds=0, fieldSelector="type=Warning", limit="500").get("items", [])
    about = [event for event in listed if _is_about(str(event["involvedObject"].get("name", "")), name)]
    about.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    said = [short(f"{event.get('reason', '')}: {event.get('message', '')}") for event in about]
    return list(dict.fromkeys(reversed(said)))[:3]


def _is_about(involved: str, name: str) -> bool:
    return involved == name or involved.startswith(f"{name}-")
