"""The effect of manifests: connections that network policies allow, pods that are refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_RESTRICTED_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
}


@dataclass(frozen=True)
class Peer:
    """The other end of a connection: an address and, for a pod, its namespace and labels.

    A pod matches by its address too, as with some network plugins; that is the stricter test.
    """

    ip: str
    namespace: str | None = None
    labels: dict[str, str] = field(default_factory=dict)


def lets_out(
    policies: list[dict[str, Any]], labels: dict[str, str], peer: Peer, port: int, protocol: str = "TCP"
) -> bool:
    """Return whether a pod with these labels may connect to a peer, by its namespace's policies."""
    rules = _rules(policies, labels, "Egress", "egress")
    return rules is None or any(
        _port_matches(rule, port, protocol) and any(_peer_matches(entry, peer) for entry in rule["to"])
        for rule in rules
    )


def lets_nothing_in(policies: list[dict[str, Any]], labels: dict[str, str]) -> bool:
    """Return whether all connections to a pod with these labels are blocked."""
    return _rules(policies, labels, "Ingress", "ingress") == []


def _rules(policies: list[dict[str, Any]], labels: dict[str, str], kind: str, key: str) -> list[dict[str, Any]] | None:
    """Return all rules for the pod; None if no policy restricts it."""
    restricting = [
        policy["spec"]
        for policy in policies
        if kind in policy["spec"]["policyTypes"] and _labels_match(policy["spec"]["podSelector"], labels)
    ]
    return [rule for spec in restricting for rule in spec.get(key, [])] if restricting else None


def _labels_match(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, f"the matcher does not know {set(selector)}"
    return selector.get("matchLabels", {}).items() <= labels.items()


def _port_matches(rule: dict[str, Any], port: int, protocol: str) -> bool:
    return any((entry["port"], entry["protocol"]) == (port, protocol) for entry in rule["ports"])


def _peer_matches(entry: dict[str, Any], peer: Peer) -> bool:
    if "ipBlock" in entry:
        address = ipaddress.ip_address(peer.ip)
        block = entry["ipBlock"]
        excepted = any(address in ipaddress.ip_network(cidr) for cidr in block.get("except", []))
        return address in ipaddress.ip_network(block["cidr"]) and not excepted
    return (
        peer.namespace is not None
        and _labels_match(entry["namespaceSelector"], {"kubernetes.io/metadata.name": peer.namespace})
        and _labels_match(entry["podSelector"], peer.labels)
    )


def pod_specs(document: Any) -> Iterator[dict[str, Any]]:
    """Yield every pod spec in an object: of a Pod, or in templates of Deployments, Jobs, CronJobs ..."""
    if isinstance(document, dict):
        if isinstance(document.get("containers"), list):
            yield document
        for value in document.values():
            yield from pod_specs(value)
    elif isinstance(document, list):
        for value in document:
            yield from pod_specs(value)


def restricted_violations(spec: dict[str, Any]) -> list[str]:
    """Return the fields of a pod spec that the Pod Security Standard "restricted" refuses.

    Source: kubernetes.io/docs/concepts/security/pod-security-standards, baseline and restricted, for Linux pods.
    """
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    for volume in spec.get("volumes", []):
        found += [f"volume {kind}" for kind in set(volume) - {"name"} - _RESTRICTED_VOLUMES]
    pod = spec.get("securityContext", {})
    found += _context_violations(pod)
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind, []):
            own = container.get("securityContext", {})
            found += [f"{container['name']}: {what}" for what in _container_violations(own, {**pod, **own}, container)]
    return found


def _context_violations(context: dict[str, Any]) -> Iterator[str]:
    """Fields that neither a pod nor a container may set."""
    if context.get("runAsUser") == 0:
        yield "runAsUser 0"
    if context.get("sysctls"):
        yield "sysctls"
    if set(context.get("seLinuxOptions", {})) & {"user", "role"}:
        yield "seLinuxOptions"
    if context.get("appArmorProfile", {}).get("type") == "Unconfined":
        yield "appArmorProfile"


def _container_violations(own: dict[str, Any], effective: dict[str, Any], container: dict[str, Any]) -> Iterator[str]:
    yield from _context_violations(own)
    if effective.get("runAsNonRoot") is not True:
        yield "runAsNonRoot"
    if effective.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if own.get("privileged"):
        yield "privileged"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"
