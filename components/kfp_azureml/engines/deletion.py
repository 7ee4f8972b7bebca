"""Delete resources, and the pods that they leave."""

from __future__ import annotations

import time

from kfp_azureml.engines.api import Api
from kfp_azureml.engines.api_errors import ApiError
from kfp_azureml.engines.identity import MANAGED_BY, OURS, Identity
from kfp_azureml.engines.kinds import Kind, Resource
from kfp_azureml.engines.pods import is_over, pods_of
from kfp_azureml.runtime.errors import KubeflowError
from kfp_azureml.runtime.polling import pauses
from kfp_azureml.runtime.step import progress

DELETE_SECONDS = 20.0
"""How long a deletion is retried, and then how long its effect is awaited; Kubernetes kills a pod after 30 s."""


def delete(api: Api, kind: Kind, name: str, identity: Identity | None = None) -> str:
    """Delete a resource of ours and its pods; return what became of it, in words. It raises nothing.

    Deleting right after creating can leave pods: a controller may create them after it was told to delete.

    Args:
        api: The cluster.
        kind: The kind of resource.
        name: The resource.
        identity: Its task; None accepts any resource of this suite.
    """
    what = f"{kind.name} {api.namespace}/{name}"
    by_hand = f"kubectl delete {kind.plural} {name} --namespace {api.namespace}"
    try:
        found = _find(api, kind, name)
        if found is None:
            return f"{what} does not exist"
        is_ours = identity.owns(found) if identity else found["metadata"].get("labels", {}).get(MANAGED_BY) == OURS
        if not is_ours:
            return f"{what} is somebody else's and stays"
        progress(f"deleting {what}")
        try:
            api.delete(kind.path(api.namespace, name), found["metadata"]["uid"], DELETE_SECONDS)
        except ApiError as error:
            if error.status != 404 and not error.is_of_uid:
                raise
        left = _leftovers(api, kind, name)
    except (ApiError, KubeflowError) as error:
        return f"{what} could not be deleted ({error}), delete it: {by_hand}"
    return f"{what} deleted" + (f", {left}" if left else "")


def _find(api: Api, kind: Kind, name: str) -> Resource | None:
    try:
        found: Resource = api.get(kind.path(api.namespace, name), DELETE_SECONDS)
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    return found


def _leftovers(api: Api, kind: Kind, name: str) -> str:
    """Wait for the end of a deleted resource's pods, delete those that stay; return in words what is left."""
    until = time.monotonic() + DELETE_SECONDS
    pause = pauses()
    try:
        while pods := [pod for pod in pods_of(api, kind, name) if not is_over(pod)]:
            if time.monotonic() >= until:
                break
            time.sleep(next(pause))
        for pod in pods:
            if "deletionTimestamp" not in pod["metadata"]:
                path = f"/api/v1/namespaces/{api.namespace}/pods/{pod['metadata']['name']}"
                api.delete(path, pod["metadata"]["uid"], for_seconds=0)
    except ApiError as error:
        look = f"kubectl get pods --namespace {api.namespace} --selector {kind.pod_label}={name}"
        return f"its pods may still run ({error.message}), see {look}"
    stopping = ", ".join(pod["metadata"]["name"] for pod in pods)
    return f"its pods {stopping} are stopping" if stopping else ""
