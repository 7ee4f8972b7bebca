"""A double of the Kubernetes API with Kubeflow Trainer: TrainJobs, their pods, logs and events.

Creating checks a TrainJob with the CRD's own schema. What the operator would do, a test does: it changes `jobs` and
`pods`.
"""

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from crd_schemas import faults_of
from http_double import Request, Response, json_response, serving
from kubernetes_api import TOKEN

NAMESPACE = "team"
GROUP = "/apis/trainer.kubeflow.org/v1alpha1"
INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass
class Workloads:
    """State of the double; a test may change any of it.

    Attributes:
        version: Version of Kubeflow Trainer whose CRDs are installed; empty for none.
        runtimes: Names of the ClusterTrainingRuntimes.
        jobs: TrainJobs by name.
        pods: Pods by name.
        logs: Lines of pods' logs by name, with timestamps.
        events: Events.
        secrets: Values of secrets by name and key.
        no_rights: Denied rights, as "VERB RESOURCE".
        faults: Responses given in place of the real ones, each once, by "METHOD RESOURCE"; None drops the connection.
        on_create: Called with a new TrainJob.
        on_read: Called at each reading of a TrainJob; the last one stays.
        on_delete: Called with the name of a deleted TrainJob; by default its pods go with it.
        tokens: Accepted tokens.
        requests: Received requests, as "METHOD RESOURCE".
    """

    version: str = "v2.1.0"
    runtimes: tuple[str, ...] = ("torch-distributed", "kfp-azureml")
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    no_rights: set[str] = field(default_factory=set)
    faults: dict[str, list[Response | None]] = field(default_factory=dict)
    on_create: Callable[[dict[str, Any]], None] = lambda _job: None
    on_read: list[Callable[[], None]] = field(default_factory=list)
    on_delete: Callable[[str], None] | None = None
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    requests: list[str] = field(default_factory=list)
    url: str = ""
    _uids: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, request: Request) -> Response | None:
        """Respond as an API server does: sign-in, rights, then the resource."""
        with self._lock:
            return self._answer(request)

    def _answer(self, request: Request) -> Response | None:
        resource, name = _resource(request.path)
        verb = {"GET": "get" if name else "list", "POST": "create", "DELETE": "delete"}[request.method]
        self.requests.append(f"{request.method} {resource}")
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return status(401, "Unauthorized", "Unauthorized")
        if waiting := self.faults.get(f"{request.method} {resource}"):
            return waiting.pop(0)
        if f"{verb} {resource}" in self.no_rights:
            message = (
                f'{resource} is forbidden: User "system:serviceaccount:{NAMESPACE}:runner" cannot {verb} resource '
                f'"{resource}" in API group "" in the namespace "{NAMESPACE}"'
            )
            return status(403, "Forbidden", message)
        match resource:
            case "discovery":
                return json_response(200, {"resources": [{"name": "trainjobs"}]}) if self.version else not_found()
            case "trainjobs" if self.version:
                return self._train_jobs(request, name)
            case "clustertrainingruntimes" if name in self.runtimes:
                return json_response(200, {"metadata": {"name": name}})
            case "pods":
                return self._pods(request, name)
            case "pods/log":
                return self._log(request, name)
            case "events":
                return json_response(200, {"items": self.events})
            case "secrets" if name in self.secrets:
                data = {key: b64encode(value.encode()).decode() for key, value in self.secrets[name].items()}
                return json_response(200, {"data": data})
        return not_found(f'{resource} "{name}" not found' if name else "")

    def _train_jobs(self, request: Request, name: str) -> Response:
        match request.method:
            case "POST":
                return self._create(request)
            case "DELETE":
                return self._delete(request, name)
            case "GET" if name:
                if self.on_read:
                    (self.on_read.pop(0) if len(self.on_read) > 1 else self.on_read[0])()
                return json_response(200, self.jobs[name]) if name in self.jobs else not_found()
        found = [job for job in self.jobs.values() if _selects(request, job)]
        return json_response(200, {"items": found})

    def _create(self, request: Request) -> Response:
        job = json.loads(request.body)
        name = job["metadata"]["name"]
        if request.query.get("fieldValidation") == ["Strict"] and (faults := faults_of(job, "trainjobs", self.version)):
            return status(400, "BadRequest", f"strict decoding error: {faults[0]}")
        if name in self.jobs:
            return status(409, "AlreadyExists", f'trainjobs.trainer.kubeflow.org "{name}" already exists')
        runtime = job["spec"]["runtimeRef"]["name"]
        if runtime not in self.runtimes:
            return status(
                403, "Forbidden", refusal(f'ClusterTrainingRuntime.trainer.kubeflow.org "{runtime}" not found')
            )
        self._uids += 1
        job["metadata"] |= {"uid": f"uid-{self._uids}", "namespace": NAMESPACE}
        self.jobs[name] = job
        self.on_create(job)
        return json_response(201, job)

    def _delete(self, request: Request, name: str) -> Response:
        if name not in self.jobs:
            return not_found()
        wanted = json.loads(request.body)["preconditions"]["uid"]
        if self.jobs[name]["metadata"]["uid"] != wanted:
            return status(409, "Conflict", f"Precondition failed: UID in precondition: {wanted}")
        del self.jobs[name]
        if self.on_delete:
            self.on_delete(name)
        else:
            self.pods = {each: pod for each, pod in self.pods.items() if not each.startswith(f"{name}-")}
        return json_response(200, {"kind": "Status", "status": "Success"})

    def _pods(self, request: Request, name: str) -> Response:
        if request.method == "DELETE":
            self.pods.pop(name, None)
            return json_response(200, {})
        if name:
            return json_response(200, self.pods[name]) if name in self.pods else not_found(f'pods "{name}" not found')
        return json_response(200, {"items": [pod for pod in self.pods.values() if _selects(request, pod)]})

    def _log(self, request: Request, name: str) -> Response:
        if name not in self.logs:
            return not_found(f'pods "{name}" not found')
        since = request.query.get("sinceTime", [""])[0].removesuffix("Z")
        lines = [line for line in self.logs[name] if line[:19] >= since]
        text = "".join(f"{line}\n" for line in lines).encode()
        return Response(200, text[: int(request.query["limitBytes"][0])], "text/plain")

    def add_pods(self, job: str, count: int, phase: str = "Running", attempt: int = 0) -> list[dict[str, Any]]:
        """Add a job's pods, as JobSet names and labels them."""
        added = []
        for index in range(count):
            name = f"{job}-node-0-{index}-{attempt}abcd"
            labels = {"jobset.sigs.k8s.io/jobset-name": job, INDEX: str(index)}
            pod = {"metadata": {"name": name, "uid": name, "labels": labels}, "status": {"phase": phase}}
            self.pods[name] = pod
            self.logs.setdefault(name, [])
            added.append(pod)
        return added

    def set_state(self, job: str, condition: str = "", message: str = "", *, ready: bool = False) -> None:
        """Set the status of a job, as the operator does."""
        conditions = [{"type": condition, "status": "True", "reason": f"Jobs{condition}", "message": message}]
        self.jobs[job]["status"] = {
            "conditions": conditions if condition else [],
            "jobsStatus": [{"name": "node", "ready": int(ready), "active": 1, "succeeded": 0, "failed": 0}],
        }


@contextmanager
def running_workloads() -> Iterator[Workloads]:
    """Run a double on a free port of this machine."""
    api = Workloads()
    with serving(api.answer) as api.url:
        yield api


def status(code: int, reason: str, message: str, **headers: str) -> Response:
    """Return the response to a refused request."""
    about = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return json_response(code, about, **headers)


def not_found(message: str = "the server could not find the requested resource") -> Response:
    """Return the response to a request for something that is not there."""
    return status(404, "NotFound", message)


def refusal(reason: str) -> str:
    """Return the words with which Trainer's webhook refuses a TrainJob."""
    return f'admission webhook "validator.trainjob.trainer.kubeflow.org" denied the request: {reason}'


def _resource(path: str) -> tuple[str, str]:
    """Return resource and name of a path."""
    if path == GROUP:
        return "discovery", ""
    found = re.fullmatch(r"(?:/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/[^/]+)?/([^/]+)(?:/([^/]+))?(/log)?", path)
    assert found, path
    return f"{found[1]}{found[3] or ''}", found[2] or ""


def _selects(request: Request, resource: dict[str, Any]) -> bool:
    labels = resource["metadata"].get("labels", {})
    wanted = (pair.split("=") for pair in request.query.get("labelSelector", [""])[0].split(",") if pair)
    return all(labels.get(name) == value for name, value in wanted)
