"""Check Kubeflow's API, its version, and its defaults for retries and finished runs."""

from __future__ import annotations

import json
import re
from typing import Any

from kfp_azureml.doctor.kubeflow.cluster import REQUEST_SECONDS
from kfp_azureml.doctor.kubeflow.wanted import KubeflowSettings
from kfp_azureml.engines.kubeconfig import NAMESPACE
from kfp_azureml.kubeflow.bounded_requests import BoundedRequests
from kfp_azureml.kubeflow.cluster import Cluster, cluster_errors
from kfp_azureml.kubeflow.connection import choose_connection, connect
from kfp_azureml.runtime.checks import Outcome, failed, passed, skipped, warning

OLDEST, TESTED = (2, 0), (2, 17)
"""Versions of Kubeflow Pipelines: the oldest with the API v2beta1, and the tested one (docs/versions.md)."""
DEFAULTS = "workflow-controller-configmap"
_FORBIDDEN, _NOT_FOUND = 403, 404
_SHORTEST_TTL = 600  # seconds
_APPLY_RETRIES = "kubectl apply --server-side --force-conflicts -k manifests/retries"


def check_api(settings: KubeflowSettings) -> Outcome:
    """Check that Kubeflow's API accepts the credentials; the outcome has the tag of its version."""
    connection = choose_connection(
        settings.host, settings.namespace, settings.token_file, settings.cookie_file, settings.ca_cert
    )
    requests = BoundedRequests(connect(connection))
    # kfp_server_api leaves out what the server says of its version.
    tag = _tag(requests.get(f"{requests.address}/apis/v2beta1/healthz"))
    return passed(f"responds at {connection.host or 'the address of the cluster'}", tag)


def _tag(answer: bytes) -> str:
    try:
        document = json.loads(answer or b"{}")
    except ValueError:
        return ""
    return str(document.get("tag_name") or "") if isinstance(document, dict) else ""


def check_version(tag: str) -> Outcome:
    """Check that the version of Kubeflow Pipelines is a supported one."""
    found = re.match(r"v?(\d+)\.(\d+)", tag)
    if not found:
        return passed("the server does not name its version")
    version = (int(found[1]), int(found[2]))
    tested = ".".join(map(str, TESTED))
    install = (
        f'kubectl apply -k "github.com/kubeflow/pipelines/manifests/kustomize/env/platform-agnostic?ref={tested}.0"'
    )
    if version < OLDEST:
        return failed(f"Kubeflow Pipelines {tag} is too old: pipelines of kfp 2 need {OLDEST[0]}.{OLDEST[1]}", install)
    if version != TESTED:
        return warning(f"Kubeflow Pipelines {tag} was not tested with this suite; {tested} was", install)
    return passed(f"Kubeflow Pipelines {tag}")


def check_workflow_defaults(cluster: Cluster) -> Outcome:
    """Check the installation's defaults for retries and for the lifetime of finished runs."""
    from kubernetes.client import ApiException

    namespace = NAMESPACE
    with cluster_errors(cluster, "get", "configmaps"):
        try:
            config = cluster.core.read_namespaced_config_map(DEFAULTS, namespace, _request_timeout=REQUEST_SECONDS)
        except ApiException as error:
            if error.status in (_FORBIDDEN, _NOT_FOUND):
                return skipped(f"not checked: config map {DEFAULTS} in namespace {namespace} cannot be read")
            raise
    defaults = _defaults(config.data or {})
    if defaults is None:
        return failed(f"workflowDefaults in config map {DEFAULTS} is not YAML", _APPLY_RETRIES)
    policy = (defaults.get("templateDefaults") or {}).get("retryStrategy", {}).get("retryPolicy", "OnFailure")
    ttl = defaults.get("ttlStrategy") or {}
    short = {name: value for name, value in ttl.items() if str(value).isdecimal() and int(value) < _SHORTEST_TTL}
    if short:
        return warning(
            f"pods of finished runs are deleted after {min(map(int, short.values()))} s: the errors of steps may be "
            "gone before they are read",
            "make compile-pipeline TTL=3600 ...",
        )
    if policy == "OnError":
        return warning("steps that fail by themselves are never retried: the retry policy is OnError", _APPLY_RETRIES)
    kept = min((int(value) for value in ttl.values() if str(value).isdecimal()), default=0)
    return passed(
        f"retry policy {policy}; " + (f"finished runs are kept {kept} s" if kept else "finished runs are kept")
    )


def _defaults(data: dict[str, str]) -> dict[str, Any] | None:
    """Return the spec in workflowDefaults; None if it is not YAML."""
    import yaml

    try:
        document = yaml.safe_load(data.get("workflowDefaults", "")) or {}
    except yaml.YAMLError:
        return None
    return (document.get("spec") or {}) if isinstance(document, dict) else None
