"""Check the Azure identity of the runs: the secret azcreds, or workload identity."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import Any

from kfp_azureml.azcreds import KEYS, SECRET_NAME, malformed_reason
from kfp_azureml.doctor.kubeflow.cluster import REQUEST_SECONDS
from kfp_azureml.kubeflow.cluster import Cluster, cluster_errors
from kfp_azureml.runtime.checks import Outcome, failed, passed, skipped, warning
from kfp_azureml.runtime.redaction import add_secret

CLIENT_ID_ANNOTATION = "azure.workload.identity/client-id"
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_FORBIDDEN, _NOT_FOUND = 403, 404


def check_secret(cluster: Cluster, account: Any) -> Outcome:
    """Check that the secret azcreds exists and its keys are well-formed, without showing a value.

    Args:
        cluster: The cluster.
        account: The runs' service account; None if it could not be read. With workload identity no secret is needed.
    """
    from kubernetes.client import ApiException

    what = f"secret {SECRET_NAME} in namespace {cluster.namespace}"
    mend = f"kfp-azureml azcreds --namespace {cluster.namespace} --check"
    with cluster_errors(cluster, "get", "secrets"):
        try:
            secret = cluster.core.read_namespaced_secret(
                SECRET_NAME, cluster.namespace, _request_timeout=REQUEST_SECONDS
            )
        except ApiException as error:
            if error.status == _FORBIDDEN:
                return skipped(f"not checked: you may not read the {what}")
            if error.status != _NOT_FOUND:
                raise
            if _client_id(account) is not None:
                return skipped(f"no {what}: the service account has workload identity")
            return failed(f"{what} does not exist, and the service account has no workload identity", mend)
    data = secret.data or {}
    faults = [f"{key} {fault}" for key in KEYS if (fault := _fault(data.get(key)))]
    if faults:
        return failed(f"{what}: {'; '.join(faults)}", mend)
    return passed(f"{what} has {', '.join(KEYS)}", secret)


def check_workload_identity(account: Any, secret: Any) -> Outcome:
    """Check the annotation of the runs' service account.

    Args:
        account: The runs' service account; None if it could not be read.
        secret: The secret azcreds; None if it does not exist.
    """
    client_id = _client_id(account)
    if client_id is None:
        return skipped("the service account has no workload identity: the steps use the secret azcreds")
    name = account.metadata.name
    if not _GUID.fullmatch(client_id) or not client_id.strip("0-"):
        return failed(
            f"annotation {CLIENT_ID_ANNOTATION} of service account {name} is not a client id",
            f"kubectl annotate serviceaccount {name} --namespace {account.metadata.namespace} --overwrite "
            f'{CLIENT_ID_ANNOTATION}="$CLIENT_ID"',
        )
    if secret is not None:
        return warning(
            f"service account {name} has workload identity, but steps prefer the secret {SECRET_NAME} if it exists",
            f"kubectl delete secret {SECRET_NAME} --namespace {account.metadata.namespace}, or compile without "
            "WORKLOAD_IDENTITY=1",
        )
    return passed(f"service account {name} has workload identity; compile with WORKLOAD_IDENTITY=1")


def _client_id(account: Any) -> str | None:
    annotations = (account.metadata.annotations if account else None) or {}
    value = annotations.get(CLIENT_ID_ANNOTATION)
    return None if value is None else str(value)


def _fault(encoded: str | None) -> str:
    if not encoded:
        return "is missing or empty"
    try:
        value = b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "is not text"
    add_secret(value.strip())
    return malformed_reason(value)
