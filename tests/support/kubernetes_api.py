"""A double of the Kubernetes API: secrets, pods with logs, Argo's workflows, what `doctor` reads, and a kubeconfig."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from http_double import Request, Response, json_response, serving

TOKEN = "cluster-token"


@dataclass
class KubernetesApi:
    """State of the double; a test may change any of it.

    Attributes:
        namespaces: Names of the namespaces.
        secrets: Secrets by namespace and name.
        pods: Pods by namespace and name.
        logs: Logs of pods by name.
        workflows: Argo's workflows by namespace and name.
        service_accounts: Service accounts by namespace and name.
        config_maps: Data of config maps by namespace and name.
        network_policies: Specs of network policies by namespace and name.
        no_rights: Rights that access reviews deny, as "USER VERB RESOURCE", with an empty user for the caller.
        unreadable: Resources that the caller may not read, such as `namespaces`.
        forbidden: Verbs that the caller may not use.
        extensions: Paths of further API groups and of resources in them.
        faults: Error statuses by method, each used once; the response quotes the request, as a server may.
        requests: Received requests, as "METHOD path".
    """

    namespaces: tuple[str, ...] = ("kubeflow", "team-a")
    secrets: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    pods: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    workflows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    service_accounts: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    config_maps: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    network_policies: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    no_rights: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    faults: dict[str, list[int]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    url: str = ""
    _version: int = 0

    def values(self, namespace: str, name: str = "azcreds") -> dict[str, str]:
        """Return a secret's values, decoded."""
        data = self.secrets[namespace, name]["data"]
        return {key: b64decode(value, validate=True).decode() for key, value in data.items()}

    def keep(self, namespace: str, secret: dict[str, Any]) -> dict[str, Any]:
        """Store a secret under a new version."""
        self._version += 1
        secret["metadata"] |= {"namespace": namespace, "resourceVersion": str(self._version), "uid": "1"}
        self.secrets[namespace, secret["metadata"]["name"]] = secret
        return secret

    def answer(self, request: Request) -> Response | None:
        """Respond as an API server does."""
        self.requests.append(f"{request.method} {request.path}")
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _status(401, "Unauthorized")
        if self.faults.get(request.method):
            return _status(self.faults[request.method].pop(0), "Fault", request.body.decode())
        if found := re.fullmatch(
            r"(?:/api/v1|/apis/argoproj.io/v1alpha1)/namespaces/([^/]+)/(pods|workflows)(/.+)?", request.path
        ):
            return self._of_a_run(request, *found.groups())
        if about := self._about_the_cluster(request):
            return about
        found = re.fullmatch(r"/api/v1/namespaces/([^/]+)/secrets(?:/([^/]+))?", request.path)
        verb = {"GET": "get", "POST": "create", "PUT": "update"}[request.method]
        if not found:
            return _status(404, "NotFound")
        if verb in self.forbidden:
            return _status(403, "Forbidden")
        namespace, name = found.groups()
        body = json.loads(request.body) if request.body else {}
        if verb == "create":
            return self._create(namespace, body)
        known = self.secrets.get((namespace, name))
        if known is None:
            return _status(404, "NotFound")
        if verb == "update":
            version = body["metadata"].get("resourceVersion")
            if version and version != known["metadata"]["resourceVersion"]:
                return _status(409, "Conflict")
            known = self.keep(namespace, body)
        return json_response(200, known)

    def _about_the_cluster(self, request: Request) -> Response | None:
        if request.path in self.extensions:
            return json_response(200, {})
        if request.path == "/version/":
            version = dict.fromkeys(("buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion", "platform"), "")
            return json_response(200, {**version, "major": "1", "minor": "31", "gitVersion": "v1.31.2"})
        if found := re.fullmatch(r"/apis/authorization.k8s.io/v1/(self)?subjectaccessreviews", request.path):
            return self._review(json.loads(request.body), mine=bool(found[1]))
        found = re.fullmatch(
            r"/(?:api/v1|apis/networking.k8s.io/v1)/namespaces/([^/]+)"
            r"(?:/(serviceaccounts|configmaps|networkpolicies)(?:/([^/]+))?)?",
            request.path,
        )
        if found is None:
            return None
        namespace, kind, name = found.groups()
        if (kind or "namespaces") in self.unreadable:
            return _status(403, "Forbidden")
        if kind is None:
            known = namespace in self.namespaces
            return json_response(200, {"metadata": {"name": namespace}}) if known else _status(404, "NotFound")
        if kind == "networkpolicies":
            policies = [
                {"metadata": {"name": policy}, "spec": spec}
                for (place, policy), spec in self.network_policies.items()
                if place == namespace
            ]
            return json_response(200, {"items": policies})
        if kind == "serviceaccounts":
            account = self.service_accounts.get((namespace, name))
            return json_response(200, account) if account else _status(404, "NotFound")
        data = self.config_maps.get((namespace, name))
        return _status(404, "NotFound") if data is None else json_response(200, {"data": data})

    def _review(self, review: dict[str, Any], *, mine: bool) -> Response:
        if not mine and "subjectaccessreviews" in self.unreadable:
            return _status(403, "Forbidden")
        wanted = review["spec"]["resourceAttributes"]
        resource = "/".join(filter(None, (wanted["resource"], wanted.get("subresource"))))
        right = f"{review['spec'].get('user', '')} {wanted['verb']} {resource}"
        return json_response(201, {**review, "status": {"allowed": right not in self.no_rights}})

    def add_service_account(self, name: str, namespace: str = "kubeflow", **annotations: str) -> None:
        """Add a service account."""
        about = {"name": name, "namespace": namespace, "annotations": annotations}
        self.service_accounts[namespace, name] = {"metadata": about}

    def add_pod(self, name: str, run_id: str, node_name: str, log: str, namespace: str = "kubeflow") -> None:
        """Add a pod of a run, as Argo creates it."""
        annotations = {"workflows.argoproj.io/node-name": node_name}
        about = {"name": name, "annotations": annotations, "labels": {"pipeline/runid": run_id}}
        made = {"creationTimestamp": f"2026-01-01T00:00:{len(self.pods):02}Z"}
        self.pods[namespace, name] = {"metadata": {**about, **made}}
        self.logs[name] = log

    def add_workflow(self, name: str, run_id: str, nodes: dict[str, str], namespace: str = "kubeflow") -> None:
        """Add the workflow of a run, with messages of failed nodes by name."""
        failed = {
            str(number): {"name": node, "phase": "Failed", "message": message}
            for number, (node, message) in enumerate(nodes.items())
        }
        about = {"name": name, "labels": {"pipeline/runid": run_id}}
        self.workflows[namespace, name] = {"metadata": about, "status": {"nodes": failed}}

    def _of_a_run(self, request: Request, namespace: str, kind: str, rest: str | None) -> Response:
        if ("get" if rest else "list") in self.forbidden:
            return _status(403, "Forbidden")
        if rest:
            log = self.logs.get(rest.split("/")[1])
            return Response(200, log.encode(), "text/plain") if log is not None else _status(404, "NotFound")
        wanted = request.query["labelSelector"][0].partition("=")[2]
        found = [
            one
            for (place, _), one in (self.pods if kind == "pods" else self.workflows).items()
            if place == namespace and one["metadata"]["labels"]["pipeline/runid"] == wanted
        ]
        return json_response(200, {"items": found})

    def _create(self, namespace: str, body: dict[str, Any]) -> Response:
        if namespace not in self.namespaces:
            return _status(404, "NotFound")
        if (namespace, body["metadata"]["name"]) in self.secrets:
            return _status(409, "AlreadyExists")
        return json_response(201, self.keep(namespace, body))


def write_kubeconfig(path: Path, url: str, namespace: str = "", token: str = TOKEN) -> Path:
    """Write a kubeconfig with the contexts `here`, the current one, and `there`, of another namespace."""
    here = {"cluster": "double", "user": "me", **({"namespace": namespace} if namespace else {})}
    there = {"cluster": "double", "user": "me", "namespace": "team-a"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "double", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": token}}],
        "contexts": [{"name": "here", "context": here}, {"name": "there", "context": there}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


@contextmanager
def running_kubernetes_api() -> Iterator[KubernetesApi]:
    """Run a double on a free port of this machine."""
    api = KubernetesApi()
    with serving(api.answer) as api.url:
        yield api


def _status(code: int, reason: str, message: str = "") -> Response:
    status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return json_response(code, status)
