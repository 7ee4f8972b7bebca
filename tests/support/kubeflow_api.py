"""A double of Kubeflow's API v2beta1 over HTTP: experiments, scripted runs, uploads, logs.

Status and form of each response are recorded from the API server of Kubeflow Pipelines 2.17.0; test_kubeflow_double.py
compares them. Logs and the UI server (`pages`) are not recorded; they follow the sources of 2.17.0.
"""

from __future__ import annotations

import json
import re
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from uuid import uuid4

import kfp_server_api
import yaml

from http_double import Request, Response, json_response, serving
from kfp_azureml.compiling.validation import validate_documents
from kfp_azureml.kubeflow.metadata_store import message
from kfp_azureml.runtime.errors import PipelineError

API = "/apis/v2beta1"
CLUSTER_PROXY = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"
"""Path of the Kubernetes API's proxy to Kubeflow's API; this double serves it too."""
UNANSWERED_SECONDS = 60.0
NOW = "2026-11-27T20:50:37Z"
NEVER = "1970-01-01T00:00:00Z"
_RPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 500: 13}
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
_ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")
_TRACE = "\ngithub.com/kubeflow/pipelines/backend/src/common/util.Wrap\n\t/data"
_EXPECTED = {
    "NUMBER_INTEGER": ((int, float), "double or integer", "number value"),
    "NUMBER_DOUBLE": ((int, float), "double or integer", "number value"),
    "STRING": ((str,), "string", "string value"),
    "BOOLEAN": ((bool,), "bool", "bool value"),
    "LIST": ((list,), "list", "list value"),
    "STRUCT": ((dict,), "struct", "struct value"),
}


@dataclass(frozen=True)
class Fault:
    """A failure to inject.

    Attributes:
        status: HTTP status; 0 drops the connection.
        message: Message of the API.
        html: Whether the body is an HTML page.
        location: Target of a redirect.
        raw: The whole body instead of the API's.
    """

    status: int = 0
    message: str = ""
    html: bool = False
    location: str = ""
    raw: bytes | None = None

    def response(self) -> Response | None:
        """Return the response."""
        if not self.status:
            return None
        if self.html:
            return Response(self.status, b"<!doctype html><title>Kubeflow</title>", "text/html")
        if self.raw is not None:
            return Response(self.status, self.raw)
        said = {"code": _RPC_CODES.get(self.status, 2), "message": self.message}
        return json_response(self.status, said, **({"Location": self.location} if self.location else {}))


class RefusedError(Exception):
    """An error response of the API."""

    def __init__(self, status: int, message: str, *, detail: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.status = status
        number = _RPC_CODES[status]
        self.body: dict[str, Any] = {"code": number, "message": message}
        if detail:
            about = {"@type": "type.googleapis.com/google.rpc.Status", "code": code or number, "message": detail}
            self.body["details"] = [about]


class UploadRefusedError(RefusedError):
    """An error of the upload, which is not gRPC and has another form."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.body = {"error_message": message, "error_details": f"{message}{_TRACE}"}


class NeverAnsweredError(Exception):
    """The server never responds to a request."""


@dataclass
class KubeflowApi:
    """State and settings of the double; a test may change any of it.

    Attributes:
        token: Required bearer token; empty for none.
        cookie: Required cookie; empty for none.
        tag_name: Version that the server names.
        multi_user: Whether there are profiles.
        pages: Whether the UI server is in front.
        script: States of a run at successive polls; the last one stays. See `shows`.
        faults: Failures by "METHOD path" without the version, with `*` for ids; each is used once. The key "" matches
            any request.
        unanswered: Requests that take effect without a response, likewise; the connection is dropped at the event.
        requests: Received requests as "METHOD path", with `*` for ids.
        experiments: Experiments by id.
        runs: Bodies of created runs by id.
        terminated: Terminated runs.
        uploads: Uploaded pipelines by name.
        pod_logs: Logs of pods that still exist.
        artifacts: Stored logs by URI in the bucket: PIPELINE/TASK/SALT/executor-logs-0.
    """

    token: str = ""
    cookie: str = ""
    tag_name: str = "unknown"
    multi_user: bool = False
    pages: bool = False
    script: list[dict[str, Any]] = field(default_factory=lambda: [shows("SUCCEEDED")])
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    unanswered: dict[str, threading.Event] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    terminated: list[str] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    pod_logs: dict[str, str | bytes] = field(default_factory=dict)
    artifacts: dict[str, str] = field(default_factory=dict)
    url: str = ""
    _polls: dict[str, int] = field(default_factory=dict)
    _closing: threading.Event = field(default_factory=threading.Event)

    @property
    def run_ids(self) -> list[str]:
        """Ids of the runs in order of creation."""
        return list(self.runs)

    @property
    def run_id(self) -> str:
        """Id of the latest run."""
        return self.run_ids[-1]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Bodies of the runs in order of creation."""
        return list(self.runs.values())

    def answer(self, request: Request) -> Response | None:
        """Respond as injected or as the API does."""
        address = request.path.removeprefix(CLUSTER_PROXY)
        path = address.removeprefix(API)
        asked = f"{request.method} {_ID.sub('*', path)}"
        self.requests.append(asked)
        for key in (asked, ""):
            if self.faults.get(key):
                return self.faults[key].pop(0).response()
        try:
            if beside := self._beside_the_api(request, address):
                return beside
            response = json_response(200, self._answer(request, path if address != path else ""))
        except RefusedError as refused:
            return json_response(refused.status, refused.body)
        except NeverAnsweredError:
            self._closing.wait(UNANSWERED_SECONDS)
            return None
        if asked in self.unanswered:
            self.unanswered[asked].wait(UNANSWERED_SECONDS)
            return None
        return response

    def _beside_the_api(self, request: Request, address: str) -> Response | None:
        """Respond to requests outside kfp-server-api: logs and the UI server."""
        found = re.fullmatch(r"/apis/v1alpha1/runs/([^/]+)/nodes/([^/]+)/log", address)
        if found and not self.pages:
            self._check_caller(request)
            run_id, pod = found.groups()
            if run_id in self.runs and pod in self.pod_logs:
                return Response(200, self._pod_log(pod), "text/plain")
            failed = {"error_message": f"Failed to read logs for run {run_id}", "error_details": _TRACE}
            return Response(200, json.dumps(failed, separators=(",", ":")).encode(), "text/plain")
        if not self.pages:
            return None
        if address.startswith("/ml_metadata.MetadataStoreService/"):
            self._check_caller(request)
            return self._metadata(address.rpartition("/")[2], request.body)
        query = {name: values[0] for name, values in request.query.items()}
        if address == "/k8s/pod/logs":
            self._check_caller(request)
            if self.multi_user and not query.get("podnamespace"):
                return Response(422, b"podnamespace argument is required", "text/html")
            if query["podname"] in self.pod_logs:
                return Response(200, self._pod_log(query["podname"]), "application/octet-stream")
            return Response(500, b"Could not get main container logs: Error: no such pod", "text/html")
        if address == "/artifacts/get":
            self._check_caller(request)
            if self.multi_user and not query.get("namespace"):
                return Response(400, b"Namespace parameter is required when authentication is enabled", "text/html")
            kept = {self._place(name): log for name, log in self.artifacts.items()}
            uri = f"{query['source']}://{query['bucket']}/{query['key']}"
            log = kept.get(uri)
            return Response(200, log.encode(), "text/plain") if log is not None else Response(500, b"NoSuchKey")
        return None

    def _pod_log(self, pod: str) -> bytes:
        log = self.pod_logs[pod]
        return log if isinstance(log, bytes) else log.encode()

    def _metadata(self, method: str, body: bytes) -> Response:
        asked = message(f"{method}Request").FromString(body[5:])
        answer = message(f"{method}Response")
        if method == "GetContextByTypeAndName":
            if asked.type_name == "system.PipelineRun" and asked.context_name in self.runs:
                answer.context.id = 1 + self.run_ids.index(asked.context_name)
        else:
            others = ["model"]
            uris = [self._place(name) for name in (*others, *self.artifacts)] if asked.context_id else []
            for number, uri in reversed(list(enumerate(uris, 1))):
                answer.artifacts.add(id=number, uri=uri)
        said = answer.SerializeToString()
        trailers = b"grpc-status:0\r\n"
        content = struct.pack(">BI", 0, len(said)) + said + struct.pack(">BI", 0x80, len(trailers)) + trailers
        return Response(200, content, "application/grpc-web+proto")

    def _place(self, name: str) -> str:
        return f"minio://mlpipeline/v2/artifacts/image-classification/{self.run_id}/{name}"

    def _check_caller(self, request: Request) -> None:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            raise RefusedError(401, "Request header error: there is no user identity header.")
        if self.cookie and request.headers.get("Cookie") != self.cookie:
            raise RefusedError(401, "no session")

    def _answer(self, request: Request, path: str) -> object:
        self._check_caller(request)
        match request.method, path:
            case "GET", "/healthz":
                build = {"commit_sha": "unknown", "tag_name": self.tag_name}
                return {**build, "multi_user": self.multi_user, "pipeline_store": "database"}
            case "GET", "/experiments":
                found = self._matching(self.experiments, request.query)
                return {"experiments": found, "total_size": len(found)} if found else {}
            case "POST", "/experiments":
                return self._create_experiment(_body(request, kfp_server_api.V2beta1Experiment))
            case "POST", "/runs":
                return self._create_run(_body(request, kfp_server_api.V2beta1Run))
            case "POST", "/pipelines/upload":
                return self._upload(request)
        if found := re.fullmatch(r"/runs/([^:/]+)(:terminate)?", path):
            run_id, action = found.groups()
            if (request.method, action) == ("POST", ":terminate"):
                return self._terminate(run_id)
            if (request.method, action) == ("GET", None):
                if run_id not in self.runs:
                    missing = f"Run {run_id} not found"
                    raise RefusedError(404, f"Failed to get a run: ResourceNotFoundError: {missing}", detail=missing)
                return self._poll(run_id)
        raise RefusedError(404, "Not Found")

    def _matching(self, things: dict[str, dict[str, Any]], query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        found = list(things.values())
        for predicate in json.loads(query["filter"][0])["predicates"] if "filter" in query else []:
            # The operation by number, as kfp sends it, or by name.
            assert predicate["operation"] in (1, "EQUALS")
            found = [thing for thing in found if thing[predicate["key"]] == predicate["stringValue"]]
        namespace = query.get("namespace", [""])[0]
        return [thing for thing in found if thing.get("namespace", "") == namespace]

    def _create_experiment(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body.get("display_name")
        if not name:
            raise RefusedError(
                500,
                "[ExperimentServer]: Failed to create a experiment due to conversion error: InternalServerError: "
                "Failed to convert API experiment to model experiment: Invalid input error: "
                "Experiment must have a non-empty name",
                detail="Internal Server Error",
            )
        if self.multi_user and not body.get("namespace"):
            raise RefusedError(400, "Invalid input error: Namespace is empty in multi-user mode")
        if name in [known["display_name"] for known in self.experiments.values()]:
            known = f"Failed to create a new experiment. The name {name} already exists. Please specify a new name"
            raise RefusedError(409, f"Failed to create a experiment: Already exist error: {known}", detail=known)
        made = {"experiment_id": str(uuid4()), **body, "created_at": NOW, "storage_state": "AVAILABLE"}
        self.experiments[made["experiment_id"]] = {**made, "last_run_created_at": NEVER}
        return self.experiments[made["experiment_id"]]

    def _create_run(self, body: dict[str, Any]) -> dict[str, Any]:
        if not body.get("display_name"):
            raise RefusedError(
                500,
                "CreateJob(job.ToV2())Failed to create a run due to conversion error: InternalServerError: Failed to "
                "convert a API run detail to its internal representation: Invalid input error: "
                "Run name cannot be empty",
                detail="Internal Server Error",
            )
        experiment = body.get("experiment_id") or self._default_experiment()
        if experiment not in self.experiments:
            missing = f"Experiment {experiment} not found"
            raise RefusedError(404, f"Failed to create a new run: ResourceNotFoundError: {missing}", detail=missing)
        spec = body["pipeline_spec"]
        pipeline, platform = (
            (spec["pipeline_spec"], spec.get("platform_spec", {})) if "pipeline_spec" in spec else (spec, {})
        )
        try:
            validate_documents(Path("run"), pipeline, platform)
        except PipelineError as error:
            said = f"Internal error: {error}\nFailed to compile job{_TRACE}"
            raise RefusedError(500, said, detail=said, code=2) from error
        declared = pipeline["root"].get("inputDefinitions", {}).get("parameters", {})
        _check_parameters(declared, body.get("runtime_config", {}).get("parameters", {}))
        run_id = str(uuid4())
        self.runs[run_id] = {**body, "experiment_id": experiment}
        return self._run(run_id, "PENDING")

    def _default_experiment(self) -> str:
        for known in self.experiments.values():
            if known["display_name"] == "Default":
                return str(known["experiment_id"])
        return str(self._create_experiment({"display_name": "Default"})["experiment_id"])

    def _run(self, run_id: str, state: str, **shown: Any) -> dict[str, Any]:
        """Return a run as the server does."""
        body = self.runs[run_id]
        return {
            "experiment_id": body["experiment_id"],
            "run_id": run_id,
            "display_name": body["display_name"],
            "storage_state": "AVAILABLE",
            "pipeline_spec": body["pipeline_spec"],
            **({"runtime_config": body["runtime_config"]} if body.get("runtime_config") else {}),
            "service_account": body.get("service_account") or "pipeline-runner",
            "created_at": NOW,
            "scheduled_at": NOW,
            "finished_at": NOW if state in _ENDED else NEVER,
            "state": state,
            "state_history": [{"update_time": NOW, "state": "PENDING"}],
            **shown,
        }

    def _poll(self, run_id: str) -> dict[str, Any]:
        shown = self.script[min(self._polls.get(run_id, 0), len(self.script) - 1)]
        self._polls[run_id] = self._polls.get(run_id, 0) + 1
        return self._run(run_id, **shown)

    def _terminate(self, run_id: str) -> dict[str, Any]:
        if run_id not in self.runs:
            missing = f"Run {run_id} not found"
            raise RefusedError(404, f"Failed to terminate a run: ResourceNotFoundError: {missing}", detail=missing)
        at = min(self._polls.get(run_id, 0), len(self.script) - 1)
        if run_id in self.terminated or (self.script[max(at - 1, 0)]["state"] in _ENDED and self._polls.get(run_id)):
            said = f"Failed to terminate a run {run_id}. Row not found"
            raise RefusedError(400, f"Failed to terminate a run: Invalid input error: {said}", detail=said)
        self.terminated.append(run_id)
        rows = self.script[at].get("run_details", {}).get("task_details", [])
        # At first the history does not show it; a terminated run ends as failed.
        self.script = [
            shows("CANCELING", *rows),
            shows("CANCELING", *rows, history=("PENDING", "RUNNING", "CANCELING")),
            shows("FAILED", *rows, history=("PENDING", "RUNNING", "CANCELING", "FAILED")),
        ]
        self._polls[run_id] = 0
        return {}

    def _upload(self, request: Request) -> dict[str, Any]:
        name = request.query["name"][0]
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        parts = BytesParser().parsebytes(head + request.body).get_payload()
        files = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts}
        package = files["uploadfile"]
        try:
            pipeline, *_ = yaml.safe_load_all(package)
        except yaml.YAMLError as error:
            raise NeverAnsweredError from error
        if not isinstance(pipeline, dict) or not {"pipelineInfo", "root"} <= pipeline.keys():
            raise UploadRefusedError(400, "unknown template format")
        if name in self.uploads:
            raise UploadRefusedError(409, "Failed to create a pipeline and a pipeline version")
        self.uploads[name] = package
        return {"pipeline_id": str(uuid4()), "display_name": name, "name": name, "created_at": NOW}


def _body(request: Request, model: type) -> dict[str, Any]:
    """Return a request's body; refuse unknown fields, and other types in text fields."""
    text = request.body.decode()
    try:
        body = json.loads(text)
    except ValueError as error:
        raise RefusedError(400, "proto: syntax error (line 1:1): unexpected token") from error
    kinds = {model.attribute_map[name]: kind for name, kind in model.openapi_types.items()}
    for name, value in body.items():
        place = f"(line 1:{text.index(json.dumps(name)) + 1})"
        if name not in kinds:
            raise RefusedError(400, f'proto: {place}: unknown field "{name}"')
        if kinds[name] == "str" and value is not None and not isinstance(value, str):
            raise RefusedError(400, f"proto: {place}: invalid value for string field {name}: {json.dumps(value)}")
    return body


def _check_parameters(declared: dict[str, Any], given: dict[str, Any]) -> None:
    said = ""
    optional = {name for name, about in declared.items() if "defaultValue" in about or about.get("isOptional")}
    if unknown := given.keys() - declared.keys():
        said = f"parameter(s) provided are not required by pipeline: {', '.join(sorted(unknown))}"
    for name in declared.keys() - optional - given.keys():
        said = f"parameter {name} is not optional, yet has neither default value nor user provided value"
    for name in declared.keys() & given.keys():
        kinds, wanted, called = _EXPECTED[declared[name]["parameterType"]]
        if not isinstance(given[name], kinds) or isinstance(given[name], bool) != (bool in kinds):
            what = "parameter value" if called == "number value" else "input parameter"
            said = f"input parameter {name} requires type {wanted}, but the {what} is not of {called} type"
    if said:
        whole = "Failed to create a new run: Failed to generate the ExecutionSpec: invalid pipeline job inputs: "
        raise RefusedError(400, f"{whole}Invalid input error: {said}", detail=said)


def shows(state: str, *tasks: dict[str, Any], error: str = "", history: tuple[str, ...] = ()) -> dict[str, Any]:
    """State of a run at one poll."""
    run: dict[str, Any] = {"state": state}
    if tasks:
        run["run_details"] = {"task_details": list(tasks)}
    if history:
        run["state_history"] = [{"update_time": NOW, "state": one} for one in history]
    return {**run, "error": {"code": 2, "message": error}} if error else run


def task(name: str, state: str, seconds: float | None = None, **more: Any) -> dict[str, Any]:
    """A task of a run, with the id `NAME-id`.

    Args:
        name: Name in the pipeline, such as `aml-preflight`.
        state: State of the task.
        seconds: Duration.
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
        try:
            yield api
        finally:
            api._closing.set()
