"""The double of Kubeflow's API against what the real server was seen to answer: Kubeflow Pipelines 2.17.0.

real_answers.json has the status and the form of the recorded answers by request, real_rows.json the rows of a run
whose first step failed: name, state, start, end, and the hashes of the nodes inside. The recorded server had been used
before: an experiment and a pipeline of the names below were there.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from kubeflow_api import NEVER, KubeflowApi, shows
from kubeflow_rows import WORKFLOW, workflow_rows

HERE = Path(__file__).parent
REAL = json.loads((HERE / "real_answers.json").read_text())
REAL_ROWS = json.loads((HERE / "real_rows.json").read_text())
COMPILED = HERE.parents[2] / "pipelines" / "image_classification.yaml"
UNKNOWN = "11111111-2222-3333-4444-555555555555"
WORKSPACE = {"resource_group": "local", "workspace": "local"}

Asked = tuple[str, str, Any]


def spec(**changed: str) -> dict[str, Any]:
    """Our compiled pipeline; changed: train's reference `producer` or `component` is broken."""
    pipeline, platform = yaml.safe_load_all(COMPILED.read_text())
    train = pipeline["components"]["comp-exit-handler-1"]["dag"]["tasks"]["train"]
    if "component" in changed:
        train["componentRef"]["name"] = changed["component"]
    if "producer" in changed:
        train["inputs"]["artifacts"]["input_data"]["taskOutputArtifact"]["producerTask"] = changed["producer"]
    return {"pipeline_spec": pipeline, "platform_spec": platform}


def run(**changed: Any) -> Asked:
    body = {"display_name": "r", "pipeline_spec": spec(), "runtime_config": {"parameters": WORKSPACE}, **changed}
    return "POST", "/runs", {name: value for name, value in body.items() if value is not None}


def run_with(**parameters: Any) -> Asked:
    return run(runtime_config={"parameters": {**WORKSPACE, **parameters}})


def upload(name: str, package: str) -> Asked:
    return "POST", f"/pipelines/upload?name={name}", package.encode()


def whole(broken: dict[str, Any]) -> str:
    return yaml.safe_dump_all([broken["pipeline_spec"], broken["platform_spec"]])


FOUND = "/experiments?filter=" + json.dumps(
    {"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": "probe-exp"}]}
)
REQUESTS: dict[str, Callable[[KubeflowApi], Asked]] = {
    "healthz": lambda _: ("GET", "/healthz", None),
    "experiments none": lambda _: ("GET", "/experiments", None),
    "experiment create": lambda _: ("POST", "/experiments", {"display_name": "probe-exp"}),
    "experiment again": lambda _: ("POST", "/experiments", {"display_name": "probe-exp"}),
    "experiment empty name": lambda _: ("POST", "/experiments", {"display_name": ""}),
    "experiment unknown field": lambda _: ("POST", "/experiments", {"display_name": "probe-2", "nonsense": 1}),
    "experiments found": lambda _: ("GET", FOUND, None),
    "upload": lambda _: upload("probe-p", COMPILED.read_text()),
    "upload again": lambda _: upload("probe-p", COMPILED.read_text()),
    "upload no yaml": lambda _: upload("probe-n", "a: [b"),
    "upload broken reference": lambda _: upload("probe-r", whole(spec(producer="nobody"))),
    "upload no pipeline": lambda _: upload("probe-a", "a: 1"),
    "upload bad name": lambda _: upload("Probe_Bad%20Name", COMPILED.read_text()),
    "run create": lambda _: run(),
    "run missing required": lambda _: run(runtime_config=None),
    "run unknown parameter": lambda _: run_with(nonsense=1),
    "run wrong type": lambda _: run_with(epochs="three"),
    "run int as float .5": lambda _: run_with(epochs=1.5),
    "run list as string": lambda _: run_with(class_names='["a"]'),
    "run unknown experiment": lambda _: run(experiment_id=UNKNOWN),
    "run no experiment": lambda _: run(),
    "run no name": lambda _: run(display_name=""),
    "run broken producer": lambda _: run(pipeline_spec=spec(producer="nobody")),
    "run broken component": lambda _: run(pipeline_spec=spec(component="comp-nobody")),
    "run bare spec": lambda _: run(pipeline_spec=spec()["pipeline_spec"]),
    "run get": lambda api: ("GET", f"/runs/{api.run_ids[0]}", None),
    "run get unknown": lambda _: ("GET", f"/runs/{UNKNOWN}", None),
    "terminate unknown": lambda _: ("POST", f"/runs/{UNKNOWN}:terminate", None),
    "terminate": lambda api: ("POST", f"/runs/{api.run_ids[0]}:terminate", None),
    "run get after terminate": lambda api: ("GET", f"/runs/{api.run_ids[0]}", None),
    "terminate again": lambda api: ("POST", f"/runs/{api.run_ids[0]}:terminate", None),
    "nonsense path": lambda _: ("GET", "/nonsense", None),
}


def form(value: Any, name: str = "") -> Any:
    """Return a JSON value's form as real_answers.json has it."""
    if name in ("pipeline_spec", "platform_spec", "parameters"):
        return "object"
    if isinstance(value, dict):
        return {key: form(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [form(value[0])] if value else []
    return {str: "string", bool: "boolean", int: "number", float: "number"}[type(value)]


def ask(api: KubeflowApi, asked: Asked) -> dict[str, Any]:
    """Ask the double, and return the answer as real_answers.json has it."""
    method, path, sent = asked
    given: dict[str, Any] = {}
    if isinstance(sent, bytes):
        given = {"fields": {"uploadfile": ("pipeline.yaml", sent)}}
    elif sent is not None:
        given = {"json": sent}
    try:
        answer = urllib3.request(
            method, f"{api.url}/apis/v2beta1{path}", **given, retries=False, timeout=0.5 if "probe-n" in path else 30
        )
    except urllib3.exceptions.ReadTimeoutError:
        return {"status": None}
    body = answer.json()
    return {
        "status": answer.status,
        "body": form(body),
        **{key: body[key] for key in ("code", "state") if key in body},
    }


@pytest.fixture
def used(kubeflow: KubeflowApi) -> KubeflowApi:
    """A server that has been used before, as the recorded one; and what its runs show."""
    ask(kubeflow, REQUESTS["experiment create"](kubeflow))
    ask(kubeflow, REQUESTS["upload"](kubeflow))
    kubeflow.script = [shows("PENDING")]
    return kubeflow


def test_every_recorded_answer_is_the_doubles_in_status_and_form(used: KubeflowApi) -> None:
    assert REQUESTS.keys() == REAL.keys()
    answers = {label: ask(used, request(used)) for label, request in REQUESTS.items()}
    assert answers == REAL


def test_a_fresh_server_makes_what_it_is_asked_for(kubeflow: KubeflowApi) -> None:
    assert ask(kubeflow, REQUESTS["experiments none"](kubeflow)) == {"status": 200, "body": {}}
    made = ask(kubeflow, REQUESTS["experiment create"](kubeflow))
    assert made == {"status": 200, "body": REAL["experiments found"]["body"]["experiments"][0]}
    assert ask(kubeflow, REQUESTS["upload"](kubeflow)) == REAL["upload bad name"]


def test_a_run_without_experiment_is_in_the_default_one(kubeflow: KubeflowApi) -> None:
    for _ in range(2):
        ask(kubeflow, run())
    assert [known["display_name"] for known in kubeflow.experiments.values()] == ["Default"]
    assert {body["experiment_id"] for body in kubeflow.bodies} == set(kubeflow.experiments)


def test_a_terminated_run_is_cancelling_and_then_failed(kubeflow: KubeflowApi) -> None:
    kubeflow.script = [shows("RUNNING")]
    ask(kubeflow, run())
    ask(kubeflow, REQUESTS["terminate"](kubeflow))
    url = f"{kubeflow.url}/apis/v2beta1/runs/{kubeflow.run_id}"
    told = [urllib3.request("GET", url).json() for _ in range(4)]
    assert [one["state"] for one in told] == ["CANCELING", "CANCELING", "FAILED", "FAILED"]
    histories = [[past["state"] for past in one["state_history"]] for one in told]
    assert histories[0] == ["PENDING"]
    assert histories[-1] == ["PENDING", "RUNNING", "CANCELING", "FAILED"]
    assert told[0]["finished_at"] == NEVER


def test_rows_of_a_run_are_the_recorded_ones() -> None:
    rows = workflow_rows("FAILED", aml_preflight="FAILED", aml_reconcile="FAILED")

    assert sorted((str(row.get("display_name")), str(row.get("state"))) for row in rows) == sorted(
        (str(name), str(state)) for name, state, *_ in REAL_ROWS
    )
    # Argo lists what follows a node among its children, too, which is left out here; so all of them are compared.
    inside = {child["pod_name"] for row in rows for child in row.get("child_tasks", [])}
    assert inside == {f"{WORKFLOW}-{child}" for *_, children in REAL_ROWS for child in children}
