"""Check that network policies let the pods of a run reach Azure."""

from __future__ import annotations

from typing import Any

from kfp_azureml.doctor.kubeflow.cluster import REQUEST_SECONDS
from kfp_azureml.kubeflow.cluster import Cluster, cluster_errors
from kfp_azureml.runtime.checks import Outcome, failed, passed, skipped

POD_LABELS = {"pipelines.kubeflow.org/v2_component": "true"}
"""Labels of each pod of a run; see manifests/base/limits/network-policy.yaml."""
_HTTPS = 443
_FORBIDDEN = 403


def check_network_policies(cluster: Cluster) -> Outcome:
    """Check that the pods of a run may connect to port 443 outside the cluster."""
    from kubernetes import client

    with cluster_errors(cluster, "list", "networkpolicies"):
        try:
            listed = client.NetworkingV1Api(cluster.core.api_client).list_namespaced_network_policy(
                cluster.namespace, _request_timeout=REQUEST_SECONDS
            )
        except client.ApiException as error:
            if error.status == _FORBIDDEN:
                return skipped("not checked: you may not list network policies")
            raise
    limiting = [policy for policy in listed.items if _limits_egress(policy.spec)]
    names = ", ".join(sorted(policy.metadata.name for policy in limiting))
    if not limiting:
        return passed("no network policy limits the runs' outgoing connections")
    if not any(_allows_https(rule) for policy in limiting for rule in policy.spec.egress or []):
        return failed(
            f"the network policies {names} allow the pods of a run no connection to port {_HTTPS}, so none to Azure",
            f"kubectl apply --namespace {cluster.namespace} -k manifests/base/limits",
        )
    return passed(f"{names}: port {_HTTPS} is allowed")


def _limits_egress(spec: Any) -> bool:
    labels = (spec.pod_selector.match_labels if spec.pod_selector else None) or {}
    selects = all(POD_LABELS.get(name) == value for name, value in labels.items())
    return selects and "Egress" in (spec.policy_types or (["Egress"] if spec.egress else []))


def _allows_https(rule: Any) -> bool:
    """Tell whether a rule allows port 443 to addresses outside the cluster."""
    outside = not rule.to or any(peer.ip_block for peer in rule.to)
    ports = rule.ports or []
    return outside and (not ports or any(_has_https(port) for port in ports))


def _has_https(port: Any) -> bool:
    if (port.protocol or "TCP") != "TCP":
        return False
    if port.port is None:
        return True
    return isinstance(port.port, int) and port.port <= _HTTPS <= (port.end_port or port.port)
