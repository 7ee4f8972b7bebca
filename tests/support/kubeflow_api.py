"""A double of Kubeflow's API, v2beta1: experiments, runs that go by a script, uploads; over HTTP on a free port.

Paths, names and shapes are those of kfp-server-api 2.17. It refuses what a server refuses (an unknown caller, a
pipeline that does not parse, parameters that do not fit), and fails when a test tells it to.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import yaml

from http_double import Request, Response, json_response, serving
from kfp_azureml.compiling.validation import validate_documents
from kfp_azureml.errors import PipelineError

API = "/apis/v2beta1"
CLUSTER_PROXY = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"
"""Where the cluster's own API lets one through to Kubeflow's; this double answers there too."""
UNANSWERED_SECONDS = 60.0
_RPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13}


@dataclass(frozen=True)
class Fault:
    """How to fail, in place of an answer.

    Attributes:
        status: The HTTP status; 0: the connection is dropped without any.
        message: What the API says.
        html: Whether it is a page that answers, not the API.
        location: Where it redirects to.
    """

    status: int = 0
    message: str = ""
    html: bool = False
    location: str = ""

    def response(self) -> Response | None:
        """Return what it sends."""
        if not self.status:
            return None
        if self.html:
            return Response(self.status, b"<!doctype html><title>Kubeflow</title>", "text/html")
        said = {"error": self.message, "message": self.message, "code": _RPC_CODES.get(self.status, 2), "details": []}
        return json_response(self.status, said, **({"Location": self.location} if self.location else {}))


@dataclass
class KubeflowApi:
    """What the double knows, was told and does; a test may change any of it.

    Attributes:
        token: The bearer token it wants; empty: none.
        cookie: The cookie it wants; empty: none.
        multi_user: Whether there are profiles.
        script: What a run's polls show, one after the other; the last stays. See `shows`.
        faults: How to fail, by "METHOD path" without the version; each is used up, the key "" stands for any request.
        unanswered: Requests that are carried out and not answered, likewise; their connection is dropped at the event.
        requests: What was asked, as "METHOD path".
        experiments: The experiments by id.
        runs: The bodies of runs that were created, by id.
        terminated: Runs that were terminated.
        uploads: Compiled pipelines that were uploaded, by name.
    """

    token: str = ""
    cookie: str = ""
    multi_user: bool = False
    script: list[dict[str, Any]] = field(default_factory=lambda: [shows("SUCCEEDED")])
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    unanswered: dict[str, threading.Event] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    terminated: list[str] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    url: str = ""
    _polls: dict[str, int] = field(default_factory=dict)

    def answer(self, request: Request) -> Response | None:
        """Answer a request, as told to or as the API does."""
        address = request.path.removeprefix(CLUSTER_PROXY)
        path = address.removeprefix(API)
        asked = f"{request.method} {path}"
        self.requests.append(asked)
        for key in (asked, ""):
            if self.faults.get(key):
                return self.faults[key].pop(0).response()
        if not address.startswith(API):
            return Fault(404, "Not Found").response()
        try:
            response = json_response(200, self._answer(request, path))
        except RefusedError as refused:
            return Fault(refused.status, str(refused)).response()
        if asked in self.unanswered:
            self.unanswered[asked].wait(UNANSWERED_SECONDS)
            return None
        return response

    def _answer(self, request: Request, path: str) -> object:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            raise RefusedError(401, "Request header error: there is no user identity header.")
        if self.cookie and request.headers.get("Cookie") != self.cookie:
            raise RefusedError(401, "no session")
        match request.method, path:
            case "GET", "/healthz":
                return {"multi_user": self.multi_user}
            case "GET", "/experiments":
                return {"experiments": self._matching(self.experiments, request.query)}
            case "POST", "/experiments":
                return self._create_experiment(json.loads(request.body))
            case "POST", "/runs":
                return self._create_run(json.loads(request.body))
            case "POST", "/pipelines/upload":
                return self._upload(request)
        if found := re.fullmatch(r"/runs/([^:]+)(:terminate)?", path):
            run_id, action = found.groups()
            if run_id not in self.runs:
                raise RefusedError(404, f"run {run_id} not found")
            if (request.method, action) == ("POST", ":terminate"):
                self.terminated.append(run_id)
                return {}
            if (request.method, action) == ("GET", None):
                return self._poll(run_id)
        raise RefusedError(404, "Not Found")

    def _matching(self, things: dict[str, dict[str, Any]], query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        found = list(things.values())
        for predicate in json.loads(query["filter"][0])["predicates"] if "filter" in query else []:
            assert predicate["operation"] == 1
            found = [thing for thing in found if thing[predicate["key"]] == predicate["stringValue"]]
        namespace = query.get("namespace", [""])[0]
        return [thing for thing in found if thing.get("namespace", "") == namespace]

    def _create_experiment(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.multi_user and not body.get("namespace"):
            raise RefusedError(400, "Invalid input error: Namespace is empty in multi-user mode")
        if body["display_name"] in [known["display_name"] for known in self.experiments.values()]:
            raise RefusedError(409, f"experiment {body['display_name']} already exists")
        made = {**body, "experiment_id": f"experiment-{len(self.experiments) + 1}"}
        self.experiments[made["experiment_id"]] = made
        return made

    def _create_run(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("experiment_id") not in self.experiments:
            raise RefusedError(404, f"experiment {body.get('experiment_id')} not found")
        spec = body["pipeline_spec"]
        pipeline, platform = (
            (spec["pipeline_spec"], spec.get("platform_spec", {})) if "pipeline_spec" in spec else (spec, {})
        )
        try:
            validate_documents(Path("run"), pipeline, platform)
        except PipelineError as error:
            raise RefusedError(400, str(error)) from error
        declared = pipeline["root"].get("inputDefinitions", {}).get("parameters", {})
        given = body.get("runtime_config", {}).get("parameters", {})
        optional = {name for name, about in declared.items() if "defaultValue" in about or about.get("isOptional")}
        if given.keys() - declared.keys() or declared.keys() - optional - given.keys():
            raise RefusedError(400, f"parameters do not fit: {sorted(given)}, expected {sorted(declared)}")
        run_id = f"run-{len(self.runs) + 1}"
        self.runs[run_id] = {**body, "run_id": run_id}
        return {**self.runs[run_id], "state": "PENDING", "created_at": "2026-01-01T00:00:00Z"}

    def _poll(self, run_id: str) -> dict[str, Any]:
        shown = self.script[min(self._polls.get(run_id, 0), len(self.script) - 1)]
        self._polls[run_id] = self._polls.get(run_id, 0) + 1
        base = {"run_id": run_id, "display_name": self.runs[run_id]["display_name"], **shown}
        return {**base, "state": "CANCELED"} if run_id in self.terminated else base

    def _upload(self, request: Request) -> dict[str, Any]:
        name = request.query["name"][0]
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        parts = BytesParser().parsebytes(head + request.body).get_payload()
        files = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts}
        package = files["uploadfile"]
        try:
            pipeline, *platform = yaml.safe_load_all(package)
            validate_documents(Path("upload"), pipeline, platform[0] if platform else {})
        except (yaml.YAMLError, PipelineError) as error:
            raise RefusedError(400, str(error)) from error
        if name in self.uploads:
            raise RefusedError(409, f"pipeline {name} already exists")
        self.uploads[name] = package
        return {"pipeline_id": f"pipeline-{len(self.uploads)}", "display_name": name, "name": name}


class RefusedError(Exception):
    """The API's own refusal."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def shows(state: str, *tasks: dict[str, Any], error: str = "") -> dict[str, Any]:
    """What a run looks like at one poll."""
    run = {"state": state, "run_details": {"task_details": list(tasks)}}
    return {**run, "error": {"code": 2, "message": error}} if error else run


def task(name: str, state: str, seconds: float | None = None, **more: Any) -> dict[str, Any]:
    """A task of a run, with the id `NAME-id`.

    Args:
        name: Its name in the pipeline, such as `aml-preflight`.
        state: Its state.
        seconds: How long it took.
        **more: Other fields, such as `error`, `state_history` or `child_tasks`.
    """
    times = {} if seconds is None else {"start_time": "2026-01-01T00:00:00Z", "end_time": _after(seconds)}
    return {"task_id": f"{name}-id", "display_name": name, "state": state, **times, **more}


def _after(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"2026-01-01T00:{int(minutes):02}:{rest:06.3f}Z"


@contextmanager
def running_kubeflow_api(context: ssl.SSLContext | None = None) -> Iterator[KubeflowApi]:
    """Run a double on a free port of this machine.

    Args:
        context: For TLS.
    """
    api = KubeflowApi()
    with serving(api.answer, context) as api.url:
        yield api
