"""Create or update the secret `azcreds` in a cluster."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from kfp_azureml.azcreds import KEYS, SECRET_NAME
from kfp_azureml.kubeflow.cluster import REQUEST_SECONDS, Cluster, cluster_errors
from kfp_azureml.kubeflow.secret_values import SecretValues
from kfp_azureml.runtime.errors import KubeflowError

_LABELS = {"app.kubernetes.io/managed-by": "kfp-azureml"}
_ATTEMPTS = 5
_NOT_FOUND, _CONFLICT = 404, 409


def redacted_manifest(namespace: str) -> dict[str, Any]:
    """Return the manifest of the secret with redacted values."""
    return {**_head(namespace), "stringData": dict.fromkeys(KEYS, "<redacted>")}


def apply_secret(cluster: Cluster, values: SecretValues) -> str:
    """Create the secret, or replace its four keys if it exists.

    Other keys, labels and annotations of an existing secret are kept. Conflicts with other clients are retried.

    Returns:
        `created` or `updated`.

    Raises:
        KubeflowError: If the cluster cannot be reached or rejects the request.
    """
    for _ in range(_ATTEMPTS):
        if done := _apply_once(cluster, values):
            return done
    raise KubeflowError(
        f"secret {SECRET_NAME} in namespace {cluster.namespace}: other clients keep changing it: try again"
    )


def _apply_once(cluster: Cluster, values: SecretValues) -> str:
    """Create or update the secret; return an empty text after a conflict."""
    from kubernetes.client import ApiException

    data = {key: b64encode(values.by_key[key].encode()).decode() for key in KEYS}
    wait = {"_request_timeout": REQUEST_SECONDS}
    secret = _existing(cluster)
    with cluster_errors(cluster, "update" if secret else "create", "secrets"):
        try:
            if secret:
                # It contains the resourceVersion that was read, so a concurrent change is a conflict.
                secret.data = {**(secret.data or {}), **data}
                cluster.core.replace_namespaced_secret(SECRET_NAME, cluster.namespace, secret, **wait)
                return "updated"
            body = {**_head(cluster.namespace), "data": data}
            cluster.core.create_namespaced_secret(cluster.namespace, body, **wait)
        except ApiException as error:
            # If the secret existed when it was read, 404 means that it was deleted; else the namespace is missing.
            if error.status == _CONFLICT or (secret and error.status == _NOT_FOUND):
                return ""
            raise
    return "created"


def _existing(cluster: Cluster) -> Any:
    from kubernetes.client import ApiException

    with cluster_errors(cluster, "get", "secrets"):
        try:
            return cluster.core.read_namespaced_secret(SECRET_NAME, cluster.namespace, _request_timeout=REQUEST_SECONDS)
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise


def _head(namespace: str) -> dict[str, Any]:
    metadata = {"name": SECRET_NAME, "namespace": namespace, "labels": _LABELS}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque"}
