"""Clusters: create and wait until it runs, terminate, delete."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kfp_azureml.runtime.errors import CancelledError, DatabricksError, KfpAzuremlError, first_line
from kfp_azureml.runtime.polling import pauses
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.compute import ClusterDetails

CREATE, DELETE = "databricks_create_cluster", "databricks_delete_cluster"

LONGEST_PAUSE_SECONDS = 15.0
_STARTING = ("PENDING", "RESTARTING", "RESIZING")
_ALIVE = (*_STARTING, "RUNNING")
_NEEDS = "the entitlement 'Unrestricted cluster creation' or a cluster policy"


def create_cluster(
    databricks_host: str, request: Mapping[str, Any], *, pipeline_run_id: str, task_name: str, timeout_seconds: float
) -> tuple[str, str, str]:
    """Create or join a cluster and wait until it runs.

    Args:
        databricks_host: The workspace's URL; empty takes it from DATABRICKS_HOST.
        request: The cluster's fields.
        pipeline_run_id: The pipeline run.
        task_name: The task in it.
        timeout_seconds: Limit for its start.

    Returns:
        The cluster's id, name and state.

    Raises:
        DatabricksError: If a field is invalid, or the cluster does not start; it is then terminated.
        CancelledError: If the step is stopped; the cluster is then terminated, or the message says how to.
        CredentialsError: If the credentials are missing or rejected.
        WorkspaceError: If the workspace cannot be reached.
    """
    from kfp_azureml.databricks.api_errors import databricks_errors
    from kfp_azureml.databricks.fields import arguments
    from kfp_azureml.databricks.identity import TAG, Identity
    from kfp_azureml.databricks.retries import retrying
    from kfp_azureml.databricks.workspace import workspace_client

    name = str(request.get("cluster_name") or "")
    identity = Identity(pipeline_run_id, task_name, dict(request))
    tags = {TAG: identity.token(0), f"{TAG}-run": pipeline_run_id or "none"}
    client = workspace_client(databricks_host)
    settings = arguments(
        client.clusters.create, {**request, "custom_tags": {**request.get("custom_tags", {}), **tags}}, "cluster"
    )
    what = f"creating cluster {name}"

    def create_or_join() -> str:
        # Looks again at each attempt: the answer to an earlier request may have been lost.
        for cluster in client.clusters.list():
            if (cluster.custom_tags or {}).get(TAG) == tags[TAG] and _state(cluster) in _ALIVE:
                progress(f"cluster {name}: exists, id {cluster.cluster_id}")
                return str(cluster.cluster_id)
        return str(client.clusters.create(**settings).cluster_id)

    with databricks_errors(what, _NEEDS):
        cluster_id = retrying(what, create_or_join)
    progress(f"cluster {name}: {client.config.host}/compute/clusters/{cluster_id}")
    try:
        cluster = _wait_until_running(client, cluster_id, name, timeout_seconds)
    except CancelledError as stopped:
        raise CancelledError(f"{stopped}: {terminate(client, cluster_id)}", interactive=stopped.interactive) from None
    except DatabricksError as error:
        raise DatabricksError(f"{error}; {terminate(client, cluster_id)}") from None
    return cluster_id, str(cluster.cluster_name or name), _state(cluster)


def terminate(client: WorkspaceClient, cluster_id: str) -> str:
    """Terminate a cluster and return what became of it, in words; it raises nothing."""
    from kfp_azureml.databricks.deletion import deleted

    try:
        deleted(f"cluster {cluster_id}", lambda: client.clusters.delete(cluster_id), "'Can Manage' on the cluster")
    except KfpAzuremlError as error:
        return f"the cluster still runs and costs money, terminate it in the workspace ({first_line(error)})"
    return f"cluster {cluster_id} terminated"


def delete_cluster(databricks_host: str, cluster_id: str, cluster_name: str, permanent: bool) -> bool:
    """Terminate a cluster, and delete it with `permanent`; return whether it existed.

    Raises:
        DatabricksError: If neither or both of id and name are given, or several clusters have the name.
        KfpAzuremlError: If it cannot be deleted.
    """
    from kfp_azureml.databricks.api_errors import databricks_errors
    from kfp_azureml.databricks.deletion import deleted
    from kfp_azureml.databricks.retries import retrying
    from kfp_azureml.databricks.workspace import workspace_client

    if bool(cluster_id) == bool(cluster_name):
        raise DatabricksError("set one of cluster_id and cluster_name")
    client = workspace_client(databricks_host)
    if cluster_name:
        with databricks_errors("listing the clusters"):
            clusters = retrying("listing the clusters", lambda: list(client.clusters.list()))
        found = [str(cluster.cluster_id) for cluster in clusters if cluster.cluster_name == cluster_name]
        if len(found) > 1:
            raise DatabricksError(
                f"cluster_name {cluster_name}: {len(found)} clusters have it ({', '.join(found)}): set cluster_id"
            )
        if not found:
            progress(f"cluster {cluster_name}: does not exist, nothing to delete")
            return False
        (cluster_id,) = found
    delete = client.clusters.permanent_delete if permanent else client.clusters.delete
    return deleted(f"cluster {cluster_id}", lambda: delete(cluster_id), "'Can Manage' on the cluster")


def _wait_until_running(client: WorkspaceClient, cluster_id: str, name: str, timeout_seconds: float) -> ClusterDetails:
    from kfp_azureml.databricks.api_errors import databricks_errors
    from kfp_azureml.databricks.retries import retrying

    began, last = time.monotonic(), ""
    pause = pauses(LONGEST_PAUSE_SECONDS)
    while True:
        with databricks_errors(f"reading cluster {cluster_id}"):
            cluster = retrying(f"reading cluster {cluster_id}", lambda: client.clusters.get(cluster_id))
        state, elapsed = _state(cluster), time.monotonic() - began
        if state != last:
            last = state
            progress(f"cluster {name}: {state}, {elapsed:.0f} s elapsed")
        if state == "RUNNING":
            return cluster
        if state not in _STARTING:
            raise DatabricksError(f"cluster {name}: did not start: {_reason(cluster)}")
        if elapsed > timeout_seconds:
            raise DatabricksError(
                f"cluster {name}: still {state} after {elapsed:.0f} s (timeout_seconds={timeout_seconds:g})"
            )
        time.sleep(next(pause))


def _reason(cluster: ClusterDetails) -> str:
    """Return why a cluster terminated, with advice."""
    from kfp_azureml.databricks.api_errors import advice_for
    from kfp_azureml.runtime.terminal import short

    reason = cluster.termination_reason
    code = reason.code.value if reason and reason.code else ""
    details = ", ".join(f"{key}={value}" for key, value in ((reason.parameters if reason else None) or {}).items())
    words = short(": ".join(filter(None, (_state(cluster), code, details or cluster.state_message))))
    advice = advice_for(words)
    return f"{advice} ({words})" if advice else words


def _state(cluster: ClusterDetails) -> str:
    return cluster.state.value if cluster.state else ""
