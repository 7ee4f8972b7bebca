"""Unexpected requests: every route, with almost valid names, queries and bodies."""

from __future__ import annotations

import copy
import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from hypothesis import strategies as st

from azureml_emulator import EmulatorInfo
from emulator_operations import Operation, list_operations

ANSWER_SECONDS = 120
METHODS = ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]
# The names of what is there, so that requests build on each other; then names that could lead elsewhere.
NAMES = [
    *("fuzz",) * 6,
    "batch",
    "batch",
    *("1",) * 3,
    "2",
    "blue",
    "blue",
    "workspaceblobstore",
    "cpu-cluster",
    "k8s",
    "none",
]
EVIL = [
    *("..", ".", "../..", "../../../../etc/passwd", "/etc/passwd", "..\\..", "~", "~root", "-rf", "--help", "$(id)"),
    *("", " ", "a b", "a/b", "a%2fb", "a" * 300, "'; DROP TABLE resources; --", "%00", "\x00", "\n", "é", "名"),
    *("nul", "con", "{name}", "${{inputs.x}}", "%s", "0", "-1", "1e400", "True", "null", "latest", "*", "%", "?", "#"),
]
ENCODED = ["%2e%2e", "%2E%2E%2F", "..%2f..%2f", "%ff%fe", "%", "%zz", "%c0%ae", "%F0%9F%92%A9", "%00"]
# Nothing that is sent may be run, built or fetched: fields that say so keep to these.
HARMLESS = {
    "command": ["true", "false", "exit 3", ""],
    "content": ["", "cHJpbnQoMSk="],
    "max_retries": [0, 1],
    "condaFile": ["", "{", "[]", "dependencies: []", "dependencies: [gcc]", "dependencies: [{pip: {}}]"],
}
TEXTS = st.one_of(st.sampled_from(NAMES), st.sampled_from(EVIL), st.text(max_size=20), st.just("\ud800"))
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([2**31, 2**63, -(2**63) - 1, 10**400, 0.5, 1e308, float("nan"), float("inf")]),
    TEXTS,
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
RAW_BODIES = [
    *(b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe\x00", b"[" * 100_000, b'{"properties":' * 20_000, b"a=b&c"),
    *(b'{"properties": {"description": "\\ud800"}}', b'{"properties": NaN}', b'{"properties": {"a": -Infinity}}'),
    b'{"properties": {"description": "' + b"x" * 300_000 + b'"}}',
    b'{"a": ' + b"9" * 10_000 + b"}",
]
COMMON = {"description": "d", "tags": {"a": "b"}, "properties": {"a": "b"}, "isArchived": False, "isAnonymous": False}
SEEDED = dict.fromkeys(("name", "endpoint", "job"), "fuzz") | {"version": "1", "deployment": "blue", "setting": "fuzz"}
BATCH_ENDPOINT = "batch"
"""Endpoints of both kinds share their names."""
WORKSPACE, RUN = "{workspace}", "{run}"
BODIES: dict[str, Any] = {
    "datastores": {
        "properties": {
            **COMMON,
            "datastoreType": "AzureBlob",
            "accountName": "a",
            "containerName": "c",
            "credentials": {"credentialsType": "Sas", "secrets": {"secretsType": "Sas", "sasToken": "s"}},
        }
    },
    "models": {"properties": {**COMMON, "modelUri": "azureml://datastores/d/paths/p", "modelType": "custom_model"}},
    "environments": {"properties": {**COMMON, "image": "an/image", "condaFile": ""}},
    "codes": {"properties": {**COMMON, "codeUri": "https://a.blob.core.windows.net/c/p"}},
    "onlineEndpoints": {
        "location": "eastus",
        "tags": {},
        "identity": {"type": "SystemAssigned"},
        "properties": {"authMode": "Key", "traffic": {}, "mirrorTraffic": {}, "keys": {"primaryKey": "k"}},
    },
    "deployments": {
        "location": "eastus",
        "sku": {"name": "Default", "capacity": 1},
        "properties": {
            "endpointComputeType": "Managed",
            "model": f"{WORKSPACE}/models/fuzz/versions/1",
            "environmentId": f"{WORKSPACE}/environments/fuzz/versions/1",
            "codeConfiguration": {"codeId": f"{WORKSPACE}/codes/fuzz/versions/1", "scoringScript": "score.py"},
            "environmentVariables": {"A": "b"},
            "requestSettings": {"requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1},
            "readinessProbe": {"initialDelay": "PT0S", "period": "PT1S", "failureThreshold": 1},
            "scaleSettings": {"scaleType": "TargetUtilization", "pollingInterval": "PT1S"},
            "instanceType": "Standard_DS3_v2",
        },
    },
    "batchEndpoints": {
        "location": "eastus",
        "tags": {},
        "properties": {"authMode": "aadToken", "properties": {}, "defaults": {}},
    },
    "batch deployments": {
        "location": "eastus",
        "properties": {
            "model": {"referenceType": "Id", "assetId": f"{WORKSPACE}/models/fuzz/versions/1"},
            "environmentId": f"{WORKSPACE}/environments/fuzz/versions/1",
            "codeConfiguration": {"codeId": f"{WORKSPACE}/codes/fuzz/versions/1", "scoringScript": "score.py"},
            "compute": f"{WORKSPACE}/computes/cpu-cluster",
            "resources": {"instanceCount": 1},
            "miniBatchSize": 10,
            "outputAction": "AppendRow",
            "outputFileName": "predictions.csv",
            "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
        },
    },
    "computes": {
        "location": "eastus",
        "properties": {
            "computeType": "AmlCompute",
            "properties": {"vmSize": "Standard_DS3_v2", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}},
        },
    },
    "data": {
        "properties": {**COMMON, "dataType": "uri_folder", "dataUri": "azureml://datastores/workspaceblobstore/paths/a"}
    },
    "components": {
        "properties": {
            **COMMON,
            "componentSpec": {
                "name": "fuzz",
                "version": "1",
                "type": "command",
                "command": "true",
                "environment": f"azureml:{WORKSPACE}/environments/fuzz/versions/1",
                "inputs": {"n": {"type": "integer", "default": "1", "optional": True}, "d": {"type": "uri_folder"}},
                "outputs": {"o": {"type": "uri_folder"}},
            },
        }
    },
    "jobs": {
        "properties": {
            **COMMON,
            "jobType": "Command",
            "displayName": "d",
            "experimentName": "fuzz",
            "command": "true",
            "environmentId": f"{WORKSPACE}/environments/fuzz/versions/1",
            "computeId": f"{WORKSPACE}/computes/cpu-cluster",
            "environmentVariables": {"A": "b"},
            "inputs": {"n": {"jobInputType": "literal", "value": "1"}},
            "outputs": {"o": {"jobOutputType": "uri_folder", "mode": "ReadWriteMount"}},
            "limits": {"jobLimitsType": "Command", "timeout": "PT10S"},
            "resources": {"instanceCount": 1},
            "services": {},
        }
    },
    "pipeline jobs": {
        "properties": {
            "jobType": "Pipeline",
            "experimentName": "fuzz",
            "settings": {"default_compute": f"{WORKSPACE}/computes/cpu-cluster", "_source": "DSL"},
            "inputs": {"n": {"jobInputType": "literal", "value": "1"}},
            "outputs": {"o": {"jobOutputType": "uri_folder"}},
            "jobs": {
                "first": {
                    "name": "first",
                    "type": "command",
                    "componentId": f"{WORKSPACE}/components/fuzz/versions/1",
                    "inputs": {"n": {"job_input_type": "literal", "value": "${{parent.inputs.n}}"}},
                    "outputs": {"o": {"type": "literal", "value": "${{parent.outputs.o}}"}},
                }
            },
        }
    },
    "autoscalesettings": {
        "location": "eastus",
        "properties": {
            "enabled": True,
            "profiles": [{"name": "p", "capacity": {}, "rules": []}],
            "targetResourceUri": f"{WORKSPACE}/onlineEndpoints/fuzz",
        },
    },
    "invoke": {
        "properties": {"inputData": {"i": {"jobInputType": "UriFolder", "uri": "azureml://datastores/d/paths/p"}}}
    },
    "mlflow": {
        "name": "fuzz",
        "experiment_id": "0",
        "experiment_ids": ["0"],
        "experiment_name": "fuzz",
        "run_id": RUN,
        "key": "k",
        "value": "1",
        "timestamp": 1,
        "step": 0,
        "metrics": [{"key": "m", "value": 0.5, "timestamp": 1, "step": 1}],
        "params": [{"key": "p", "value": "v"}],
        "tags": [{"key": "t", "value": "v"}],
        "filter": "name = 'fuzz'",
        "order_by": ["name ASC"],
        "max_results": 10,
        "page_token": "",
        "source": "azureml://artifacts/LocalUpload/fuzz/model",
        "version": "1",
        "stage": "Production",
        "status": "FINISHED",
        "end_time": 1,
        "datasets": [{"dataset": {"name": "d"}}],
    },
    "paths": {"paths": [{"path": "model/a"}]},
    # Of all its operations: none minds the others' fields.
    "databricks": {
        "path": "/Shared/fuzz",
        "content": "",
        "format": "SOURCE",
        "language": "PYTHON",
        "overwrite": True,
        "job_id": 1,
        "run_id": 1,
        "name": "fuzz",
        "run_name": "fuzz",
        "idempotency_token": "fuzz",
        "recursive": False,
        "tasks": [
            {
                "task_key": "fuzz",
                "spark_python_task": {"python_file": "/Workspace/Shared/fuzz", "parameters": ["/Volumes/x", "{{x}}"]},
                "depends_on": [{"task_key": "1"}],
                "run_if": "ALL_DONE",
                "new_cluster": {"spark_version": "1", "spark_env_vars": {"A": "1"}},
                "timeout_seconds": 5,
                "max_retries": 0,
            },
            {"task_key": "1", "notebook_task": {"notebook_path": "/Shared/fuzz", "base_parameters": {"a": "1"}}},
        ],
        "timeout_seconds": 5,
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        "new_settings": {"name": "1"},
        "parameters": [{"name": "a", "default": "1"}],
        "job_parameters": {"a": "1"},
        "rerun_tasks": ["fuzz"],
        "cluster_id": "fuzz",
        "cluster_name": "fuzz",
        "spark_version": "1",
        "scope": "fuzz",
        "key": "fuzz",
        "string_value": "1",
        "handle": 1,
        "data": "",
        "contents": "",
        "session_token": "fuzz",
        "count": 2,
        "start_part_number": 1,
        "parts": [{"part_number": 1}],
    },
    "action": {"expirableSecret": True, "keyType": "Primary", "keyValue": "k", "tail": 5, "containerType": "Any"},
}
FORM = b"grant_type=client_credentials&client_id=a&client_secret=b&scope=https%3A%2F%2Fmanagement.azure.com%2F.default"
QUERIES = {
    "api-version": ["2024-04-01", ""],
    "$orderBy": ["createdtime desc", "version asc"],
    "orderBy": ["name"],
    "$top": ["1"],
    "$skip": ["1"],
    "count": ["1"],
    "listViewType": ["All"],
    "tags": ["a=b,c"],
    "hash": ["x"],
    "isDefault": ["true"],
    "path": ["model/a"],
    "run_id": [RUN],
    "metric_key": ["m"],
    "filter": ["name = 'x'"],
    "job_id": ["1"],
    "limit": ["1"],
    "page_token": ["1"],
    "scope": ["fuzz"],
    "key": ["fuzz"],
    "cluster_id": ["fuzz"],
    "action": ["initiate-upload", "complete-upload"],
}


@dataclass(frozen=True)
class FuzzedRequest:
    """A request as it is sent.

    Attributes:
        connect: The host that is asked for.
        method: The HTTP method.
        target: Path and query, as they are on the wire.
        headers: The headers.
        body: The body.
    """

    connect: str
    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def requests(workspace_id: str, run_id: str) -> st.SearchStrategy[FuzzedRequest]:
    """Make requests.

    Args:
        workspace_id: The workspace's ARM id.
        run_id: The id of a run in it.

    Returns:
        A strategy; its requests have no token yet.
    """
    known = _known(workspace_id, run_id)
    operations = list_operations()
    # Requests with a resource in them can be wrong in more ways.
    operations += [each for each in operations if each.method == "PUT" and not each.refuses] * 4
    return st.sampled_from(operations).flatmap(lambda operation: _request(operation, known))


def seeds(workspace_id: str) -> list[FuzzedRequest]:
    """Make a request for each kind of resource that is as it should be, so that the others find something.

    Args:
        workspace_id: The workspace's ARM id.

    Returns:
        The requests, in the order in which they need each other.
    """
    known = {**_known(workspace_id, ""), **SEEDED}
    order = list(BODIES)
    puts = [
        each
        for each in list_operations()
        if each.method == "PUT" and not each.refuses and "{" in each.path and not _is_databricks(each.host)
    ]
    return [
        FuzzedRequest(
            operation.host,
            "PUT",
            _fill(operation.path, known),
            {"content-type": "application/json"},
            json.dumps(BODIES[_template(operation)]).replace(WORKSPACE, workspace_id).encode(),
        )
        for operation in sorted(puts, key=lambda operation: order.index(_template(operation)))
    ]


def _fill(path: str, names: dict[str, str]) -> str:
    if "/batchEndpoints/" in path:
        names = {**names, "endpoint": BATCH_ENDPOINT}
    return "/".join(names[part[1:-1]] if part.startswith("{") else part for part in path.split("/"))


def _known(workspace_id: str, run_id: str) -> dict[str, str]:
    own = workspace_id.split("/")
    names = {"subscription": own[2], "group": own[4], "workspace": own[8], "api": "v2.0", "location": "eastus"}
    return {**names, "run": run_id, WORKSPACE: workspace_id, RUN: run_id}


@st.composite
def _request(draw: st.DrawFn, operation: Operation, known: dict[str, str]) -> FuzzedRequest:

    def fill(name: str) -> str:
        name = name.partition(":")[0]
        if name in known and draw(st.integers(0, 9)):
            return known[name]
        if draw(st.integers(0, 3)):
            return quote(draw(st.sampled_from(NAMES)))
        return draw(st.one_of(st.sampled_from(ENCODED), TEXTS.map(lambda text: quote(text, errors="replace"))))

    path = "/".join(fill(part[1:-1]) if part.startswith("{") else part for part in operation.path.split("/"))
    host = ".".join("fuzz" if part.startswith("{") else part for part in operation.host.split("."))
    method = operation.method if draw(st.integers(0, 9)) else draw(st.sampled_from(METHODS))
    names = draw(st.lists(st.sampled_from(list(QUERIES)), max_size=3))
    values = [_query_value(draw, name).replace(RUN, known[RUN]) for name in names]
    query = "&".join(
        f"{quote(name)}={quote(value, errors='replace')}" for name, value in zip(names, values, strict=True)
    )
    headers = {"content-type": draw(st.sampled_from(["application/json", "application/json", "text/plain", "\x7f"]))}
    if not draw(st.integers(0, 19)):
        name = draw(st.sampled_from(["host", "accept", "if-match", "azureml-model-deployment", "x-request-id"]))
        headers[name] = draw(st.sampled_from(["*", "a:b", "[::1", "a" * 300, "blue", "\xff", "localhost:99999", ""]))
    body = _body(draw, operation, known) if method not in ("GET", "HEAD", "TRACE") else b""
    return FuzzedRequest(host, method, f"{path}?{query}" if query else path, headers, body)


def _query_value(draw: st.DrawFn, name: str) -> str:
    return draw(st.one_of(st.sampled_from(QUERIES[name]), TEXTS))


def _body(draw: st.DrawFn, operation: Operation, known: dict[str, str]) -> bytes:
    if not draw(st.integers(0, 9)):
        return draw(st.sampled_from(RAW_BODIES))
    if operation.path.endswith("/token") and "oauth2" in operation.path:
        return FORM
    template = _template(operation)
    if template == "jobs" and draw(st.booleans()):
        template = "pipeline jobs"
    body = copy.deepcopy(BODIES[template])
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 3]))):
        if not (places := list(_places(body))):
            break
        holder, key = draw(st.sampled_from(places))
        if draw(st.booleans()):
            holder[key] = draw(st.sampled_from(HARMLESS[key])) if key in HARMLESS else draw(JSON)
        elif isinstance(holder, dict):
            del holder[key]
    _defuse(body)
    return json.dumps(body).replace(WORKSPACE, known[WORKSPACE]).replace(RUN, known[RUN]).encode()


def _is_databricks(host: str) -> bool:
    return host.endswith(".azuredatabricks.net")


def _template(operation: Operation) -> str:
    if _is_databricks(operation.host):
        return "databricks"
    if "/mlflow/" in operation.path:
        return "mlflow"
    if operation.path.endswith("/metadata"):
        return "paths"
    if operation.path == "/jobs":
        return "invoke"
    collections = [part for part in operation.path.split("/") if part in BODIES]
    if not collections or operation.method != "PUT":
        return "action"
    if collections[0] == "batchEndpoints" and collections[-1] == "deployments":
        return "batch deployments"
    return collections[-1]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Everything in a body that can be replaced: what holds it, and its key there."""
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def _defuse(value: Any) -> None:
    """See that nothing is run or built that was made up."""
    for holder, key in _places(value):
        if key in HARMLESS and holder[key] not in HARMLESS[key]:
            holder[key] = HARMLESS[key][0]


class Wire:
    """Sends requests as they are: no client in between makes them better.

    Args:
        emulator: The emulator.
        token: For Azure Resource Manager.
    """

    def __init__(self, emulator: EmulatorInfo, token: str) -> None:
        self._proxy = urlsplit(emulator.proxy_url)
        self._trust = ssl.create_default_context(cafile=emulator.ca_file)
        self._token = token
        self._databricks_token = emulator.databricks_token
        self._connections: dict[str, http.client.HTTPSConnection] = {}

    def send(self, request: FuzzedRequest) -> tuple[int, bytes]:
        """Send a request.

        Args:
            request: The request; it gets a token.

        Returns:
            The answer's status and body.

        Raises:
            OSError: If there is no answer.
            http.client.HTTPException: If the answer is none.
        """
        if request.connect in self._connections:
            try:
                return self._send(request, self._connections[request.connect])
            except OSError:
                # It may have been idle for too long: only a new connection tells.
                self._connections.pop(request.connect).close()
        return self._send(request, self._connect(request.connect))

    def close(self) -> None:
        """End all connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _send(self, request: FuzzedRequest, connection: http.client.HTTPSConnection) -> tuple[int, bytes]:
        connection.putrequest(request.method, request.target, skip_host="host" in request.headers)
        length = str(len(request.body))
        token = self._databricks_token if _is_databricks(request.connect) else self._token
        headers = {"authorization": f"Bearer {token}", **request.headers, "content-length": length}
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(request.body)
        with connection.getresponse() as response:
            answer = response.status, response.read()
            if response.will_close:
                self._connections.pop(request.connect).close()
        return answer

    def _connect(self, host: str) -> http.client.HTTPSConnection:
        assert self._proxy.hostname is not None
        connection = http.client.HTTPSConnection(
            self._proxy.hostname, self._proxy.port, context=self._trust, timeout=ANSWER_SECONDS
        )
        connection.set_tunnel(host, 443)
        # Strange targets are the point: http.client would refuse them.
        connection._validate_path = lambda _url: None  # type: ignore[attr-defined]
        self._connections[host] = connection
        return connection
