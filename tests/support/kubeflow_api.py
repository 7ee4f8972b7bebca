"""A double of Kubeflow's API, v2beta1: experiments, runs that go by a script, uploads; over HTTP on a free port.

Paths, names and shapes are those of kfp-server-api 2.17. It refuses what a server refuses (an unknown caller, a
pipeline that does not parse, parameters that do not fit), and fails when a test tells it to.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from kfp_azureml.compiling.validation import validate_documents
from kfp_azureml.errors import PipelineError

API = "/apis/v2beta1"
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


@dataclass
class KubeflowApi:
    """What the double knows, was told and does; a test may change any of it.

    Attributes:
        token: The bearer token it wants; empty: none.
        cookie: The cookie it wants; empty: none.
        multi_user: Whether there are profiles.
        script: What a run's polls show, one after the other; the last stays. See `shows`.
        faults: How to fail, by "METHOD path" without the version; each is used up, the key "" stands for any request.
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
    requests: list[str] = field(default_factory=list)
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    terminated: list[str] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    url: str = ""
    _polls: dict[str, int] = field(default_factory=dict)

    def answer(self, method: str, path: str, query: dict[str, list[str]], headers: Any, body: bytes) -> Any:
        """Answer a request, or raise `Refused`."""
        if self.token and headers.get("Authorization") != f"Bearer {self.token}":
            raise Refused(401, "Request header error: there is no user identity header.")
        if self.cookie and headers.get("Cookie") != self.cookie:
            raise Refused(401, "no session")
        match method, path:
            case "GET", "/healthz":
                return {"multi_user": self.multi_user}
            case "GET", "/experiments":
                return {"experiments": self._matching(self.experiments, query)}
            case "POST", "/experiments":
                return self._create_experiment(json.loads(body))
            case "POST", "/runs":
                return self._create_run(json.loads(body))
            case "POST", "/pipelines/upload":
                return self._upload(query["name"][0], headers, body)
        if found := re.fullmatch(r"/runs/([^:]+)(:terminate)?", path):
            run_id, action = found.groups()
            if run_id not in self.runs:
                raise Refused(404, f"run {run_id} not found")
            if (method, action) == ("POST", ":terminate"):
                self.terminated.append(run_id)
                return {}
            if (method, action) == ("GET", None):
                return self._poll(run_id)
        raise Refused(404, "Not Found")

    def _matching(self, things: dict[str, dict[str, Any]], query: dict[str, list[str]]) -> list[dict[str, Any]]:
        found = list(things.values())
        for predicate in json.loads(query["filter"][0])["predicates"] if "filter" in query else []:
            assert predicate["operation"] == 1
            found = [thing for thing in found if thing[predicate["key"]] == predicate["stringValue"]]
        namespace = query.get("namespace", [""])[0]
        return [thing for thing in found if thing.get("namespace", "") == namespace]

    def _create_experiment(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.multi_user and not body.get("namespace"):
            raise Refused(400, "Invalid input error: Namespace is empty in multi-user mode")
        if body["display_name"] in [known["display_name"] for known in self.experiments.values()]:
            raise Refused(409, f"experiment {body['display_name']} already exists")
        made = {**body, "experiment_id": f"experiment-{len(self.experiments) + 1}"}
        self.experiments[made["experiment_id"]] = made
        return made

    def _create_run(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("experiment_id") not in self.experiments:
            raise Refused(404, f"experiment {body.get('experiment_id')} not found")
        spec = body["pipeline_spec"]
        pipeline, platform = (
            (spec["pipeline_spec"], spec.get("platform_spec", {})) if "pipeline_spec" in spec else (spec, {})
        )
        try:
            validate_documents(Path("run"), pipeline, platform)
        except PipelineError as error:
            raise Refused(400, str(error)) from error
        declared = pipeline["root"].get("inputDefinitions", {}).get("parameters", {})
        given = body.get("runtime_config", {}).get("parameters", {})
        optional = {name for name, about in declared.items() if "defaultValue" in about or about.get("isOptional")}
        if given.keys() - declared.keys() or declared.keys() - optional - given.keys():
            raise Refused(400, f"parameters do not fit: {sorted(given)}, expected {sorted(declared)}")
        run_id = f"run-{len(self.runs) + 1}"
        self.runs[run_id] = {**body, "run_id": run_id}
        return {**self.runs[run_id], "state": "PENDING", "created_at": "2026-01-01T00:00:00Z"}

    def _poll(self, run_id: str) -> dict[str, Any]:
        shown = self.script[min(self._polls.get(run_id, 0), len(self.script) - 1)]
        self._polls[run_id] = self._polls.get(run_id, 0) + 1
        base = {"run_id": run_id, "display_name": self.runs[run_id]["display_name"], **shown}
        return {**base, "state": "CANCELED"} if run_id in self.terminated else base

    def _upload(self, name: str, headers: Any, body: bytes) -> dict[str, Any]:
        head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
        parts = BytesParser().parsebytes(head + body).get_payload()
        files = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts}
        package = files["uploadfile"]
        try:
            pipeline, *platform = yaml.safe_load_all(package)
            validate_documents(Path("upload"), pipeline, platform[0] if platform else {})
        except (yaml.YAMLError, PipelineError) as error:
            raise Refused(400, str(error)) from error
        if name in self.uploads:
            raise Refused(409, f"pipeline {name} already exists")
        self.uploads[name] = package
        return {"pipeline_id": f"pipeline-{len(self.uploads)}", "display_name": name, "name": name}


class Refused(Exception):
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

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = address.path.removeprefix(API)
            asked = f"{self.command} {path}"
            api.requests.append(asked)
            fault = next((api.faults[key].pop(0) for key in (asked, "") if api.faults.get(key)), None)
            if fault:
                self._fail(fault)
                return
            try:
                if not address.path.startswith(API):
                    raise Refused(404, "Not Found")
                self._send(200, api.answer(self.command, path, parse_qs(address.query), self.headers, body))
            except Refused as refused:
                self._refuse(refused.status, str(refused))

        do_POST = do_GET

        def _fail(self, fault: Fault) -> None:
            if fault.html:
                self._write(fault.status, b"<!doctype html><title>Kubeflow</title>", "text/html")
            elif fault.status:
                self._refuse(fault.status, fault.message, fault.location)
            else:
                self.close_connection = True

        def _refuse(self, status: int, message: str, location: str = "") -> None:
            said = {"error": message, "message": message, "code": _RPC_CODES.get(status, 2), "details": []}
            self._send(status, said, location)

        def _send(self, status: int, answer: object, location: str = "") -> None:
            self._write(status, json.dumps(answer).encode(), "application/json", location)

        def _write(self, status: int, content: bytes, kind: str, location: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    api.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
