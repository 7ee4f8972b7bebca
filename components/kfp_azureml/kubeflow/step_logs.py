"""Read the logs of a step from Kubeflow or the cluster; an unreadable source yields nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from kfp_azureml.kubeflow.argo_nodes import is_inside
from kfp_azureml.kubeflow.bounded_requests import REQUEST_SECONDS, BoundedRequests, tail
from kfp_azureml.runtime.errors import KubeflowError

if TYPE_CHECKING:
    from kfp_azureml.kubeflow.cluster import Cluster

_MAX_LOGS = 5
"""Maximum number of artifacts or pods read per step, since a loop may have many."""
_SOURCES = {"gs": "gcs"}  # the UI server's name for a scheme, where it differs
_MOST_LIST_BYTES = 32 * 1024 * 1024
_NODE_NAME = "workflows.argoproj.io/node-name"
_LOG = re.compile(r"/executor-logs(?:-\d+)?$")


def executor_logs(requests: BoundedRequests, run_id: str, task: str, namespace: str) -> Iterator[str]:
    """Yield the `executor-logs` artifacts of a task, the newest first.

    Since 2.17 the launcher uploads the output of each step, failed or not (backend/src/v2/component/launcher_v2.go), to
    PIPELINE_ROOT/PIPELINE/RUN/TASK/SALT/executor-logs-ATTEMPT. The API server does not serve it: its
    `runs/*/nodes/*/artifacts/*:read` supports Argo's artifacts only. ML Metadata has the URI and the UI's server the
    content, so `--host` has to be the UI's URL. Not verified against a real server; see metadata_store.

    Args:
        requests: Sends the requests.
        run_id: The run.
        task: The task's name in the pipeline, such as `aml-preflight`.
        namespace: The profile's namespace, required by a UI with several users; empty for none.
    """
    from kfp_azureml.kubeflow.metadata_store import artifact_uris

    within = f"/{run_id}/{task}/"
    uris = [uri.partition("?")[0] for uri in artifact_uris(requests, run_id)]
    logs = [uri for uri in uris if within in uri and _LOG.search(uri)]
    for uri in logs[: -_MAX_LOGS - 1 : -1]:
        place = urlsplit(uri)
        query = {
            "source": _SOURCES.get(place.scheme, place.scheme),
            "bucket": place.netloc,
            "key": place.path.lstrip("/"),
        }
        if namespace:
            query["namespace"] = namespace
        yield _text(requests.get(f"{requests.address}/artifacts/get", **query))


def pod_logs(requests: BoundedRequests, run_id: str, pods: Iterable[str], namespace: str) -> Iterator[str]:
    """Yield the logs of pods as Kubeflow serves them, or Argo's archived logs if the pods are deleted.

    The API server and the UI's server have different URLs for them. The API server responds with 200 even for an error,
    as JSON (apiserver/server/run_log_server.go). Not verified against a real server; see metadata_store.

    Args:
        requests: Sends the requests.
        run_id: The run.
        pods: Possible names of the pods.
        namespace: The profile's namespace; empty for none.
    """
    for pod in list(pods)[: _MAX_LOGS * 3]:
        log = _text(requests.get(f"{requests.address}/apis/v1alpha1/runs/{quote(run_id)}/nodes/{quote(pod)}/log"))
        if log and '{"error_message":' not in log[:64]:
            yield log
            continue
        query = {"podname": pod, "runid": run_id, **({"podnamespace": namespace} if namespace else {})}
        yield _text(requests.get(f"{requests.address}/k8s/pod/logs", **query))


@dataclass(frozen=True)
class ClusterLogs:
    """Reads a run's pods and workflow from the Kubernetes API.

    Attributes:
        cluster: The cluster.
        run_id: The run.
    """

    cluster: Cluster
    run_id: str

    def logs(self, row_name: str) -> Iterator[str]:
        """Yield the logs of the pods of a step or driver, the newest first."""
        pods = self._list(self.cluster.core.list_namespaced_pod, self.cluster.namespace)
        own = [
            pod for pod in pods if is_inside((pod["metadata"].get("annotations") or {}).get(_NODE_NAME, ""), row_name)
        ]
        own.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
        for pod in own[:_MAX_LOGS]:
            yield self._log(pod["metadata"]["name"])

    def messages(self, row_name: str) -> Iterator[str]:
        """Yield Argo's messages about the failed nodes of a step or driver, the innermost first."""
        from kubernetes.client import CustomObjectsApi

        workflows = CustomObjectsApi(self.cluster.core.api_client)
        kind = ("argoproj.io", "v1alpha1", self.cluster.namespace, "workflows")
        for workflow in self._list(workflows.list_namespaced_custom_object, *kind):
            nodes = ((workflow.get("status") or {}).get("nodes") or {}).values()
            said = [
                (len(str(node.get("name"))), node["message"])
                for node in nodes
                if node.get("phase") in ("Failed", "Error")
                and node.get("message")
                and is_inside(str(node.get("name")), row_name)
            ]
            yield from (str(message) for _, message in sorted(said, reverse=True))

    def _list(self, call: Any, *place: str) -> list[dict[str, Any]]:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        selector = f"pipeline/runid={self.run_id}"
        try:
            response = call(*place, label_selector=selector, _request_timeout=REQUEST_SECONDS, _preload_content=False)
            return list(json.loads(tail(response, _MOST_LIST_BYTES)).get("items") or [])
        except (ApiException, HTTPError, ValueError, AttributeError):
            return []

    def _log(self, pod: str) -> str:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            response = self.cluster.core.read_namespaced_pod_log(
                pod,
                self.cluster.namespace,
                container="main",
                tail_lines=10_000,
                _request_timeout=REQUEST_SECONDS,
                _preload_content=False,
            )
            return _text(tail(response))
        except (ApiException, HTTPError):
            return ""


def open_cluster_logs(namespace: str, run_id: str) -> ClusterLogs | None:
    """Return a reader of a run's pods; None if no cluster is configured."""
    from kfp_azureml.kubeflow.cluster import open_cluster

    try:
        return ClusterLogs(open_cluster(None, namespace or None), run_id)
    except KubeflowError:
        return None


def _text(log: bytes) -> str:
    return log.decode(errors="replace")
