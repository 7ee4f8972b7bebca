"""What `submit` sends, what it tells, and how it fails: against a double of Kubeflow's API."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.kubeflow import run_follower
from kfp_azureml.kubeflow import submit_run as submit_module
from kfp_azureml.kubeflow.connection import Connection
from kfp_azureml.kubeflow.submit_run import step_names
from kfp_azureml.runtime.errors import CancelledError, KubeflowError, PipelineError
from kubeflow_api import Fault, KubeflowApi, shows, task
from submissions import COMPILED, WORKSPACE, submitted, told_of_a_failure

TAGGED = PipelineOptions(registry="example.azurecr.io/team", tag="7")


def test_everything_that_was_asked_for_is_sent(kubeflow: KubeflowApi) -> None:
    submitted(
        kubeflow,
        pipeline="image_classification",
        options=TAGGED,
        params={**WORKSPACE, "epochs": "3", "class_names": '["cat", "dog"]'},
        run_name="first",
        service_account="runner",
    )
    body = kubeflow.bodies[0]
    assert kubeflow.experiments[body["experiment_id"]]["display_name"] == "pipeline_samples"
    assert (body["display_name"], body["service_account"]) == ("first", "runner")
    parameters = body["runtime_config"]["parameters"]
    assert parameters == {**WORKSPACE, "epochs": 3, "class_names": ["cat", "dog"]}
    assert "example.azurecr.io/team/ml:7" in str(body["pipeline_spec"]["pipeline_spec"])
    assert "platforms" in body["pipeline_spec"]["platform_spec"]


def test_an_experiment_is_made_once(kubeflow: KubeflowApi) -> None:
    submitted(kubeflow, experiment="fashion")
    submitted(kubeflow, experiment="fashion")
    assert [known["display_name"] for known in kubeflow.experiments.values()] == ["fashion"]
    assert len(kubeflow.runs) == 2


def test_an_experiment_that_somebody_makes_meanwhile_is_taken(kubeflow: KubeflowApi) -> None:
    kubeflow.experiments["theirs"] = {"experiment_id": "theirs", "display_name": "pipeline_samples"}
    find = kubeflow._matching
    answers = [[]]
    kubeflow._matching = lambda things, query: answers.pop() if answers else find(things, query)
    submitted(kubeflow)
    assert kubeflow.bodies[0]["experiment_id"] == "theirs"
    assert kubeflow.requests.count("POST /experiments") == 1


def cached(body: dict[str, Any]) -> dict[str, bool]:
    pipeline = body["pipeline_spec"]["pipeline_spec"]
    return {
        name: about.get("cachingOptions", {}).get("enableCache", False)
        for component in (pipeline["root"], *pipeline["components"].values())
        for name, about in component.get("dag", {}).get("tasks", {}).items()
    }


def test_the_cache_can_be_switched_off_but_is_never_switched_on_where_it_must_not_be(kubeflow: KubeflowApi) -> None:
    submitted(kubeflow)
    submitted(kubeflow, cache=False)
    as_compiled, off = cached(kubeflow.bodies[0]), cached(kubeflow.bodies[1])
    assert as_compiled["train"]
    assert not as_compiled["aml-preflight"]
    assert not any(off.values())


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"params": WORKSPACE | {"epochs": "many"}}, "epochs: expected a whole number"),
        ({"params": WORKSPACE | {"epoch": "3"}}, "no parameter 'epoch'"),
        ({"params": {}}, "missing parameters resource_group, workspace"),
        ({"pipeline": "nowhere.yaml"}, "no such file"),
    ],
)
def test_a_mistake_is_found_before_anything_is_sent(kubeflow: KubeflowApi, wanted: dict, named: str) -> None:
    with pytest.raises(PipelineError, match=named):
        submitted(kubeflow, **wanted)
    assert kubeflow.requests == []


def test_a_compiled_file_is_validated_before_anything_is_sent(kubeflow: KubeflowApi, tmp_path: Path) -> None:
    pipeline, platform = yaml.safe_load_all(COMPILED.read_text())
    pipeline["root"]["dag"]["tasks"]["aml-reconcile"]["componentRef"]["name"] = "comp-gone"
    broken = tmp_path / "broken.yaml"
    broken.write_text(yaml.safe_dump_all([pipeline, platform]))
    with pytest.raises(PipelineError, match="comp-gone"):
        submitted(kubeflow, pipeline=str(broken))
    assert kubeflow.requests == []


def test_steps_are_shown_as_they_change(kubeflow: KubeflowApi) -> None:
    noise = [task("root", "RUNNING"), task("prep-driver", "SUCCEEDED", 1), task("executor", "RUNNING")]
    kubeflow.script = [
        shows("PENDING"),
        shows("RUNNING", *noise, task("prep", "RUNNING")),
        shows("RUNNING", *noise, task("prep", "RUNNING")),
        shows("RUNNING", *noise, task("prep", "SUCCEEDED", 2.5), task("Train Image Classification Keras", "RUNNING")),
        shows("SUCCEEDED", task("prep", "SUCCEEDED", 2.5), task("Train Image Classification Keras", "SUCCEEDED", 80)),
    ]
    told = submitted(kubeflow)
    assert (
        told[0]
        == f"Run {kubeflow.run_id} in experiment pipeline_samples: {kubeflow.url}/#/runs/details/{kubeflow.run_id}"
    )
    assert [" ".join(line.split()) for line in told[1:-1]] == [
        "prep running",
        "prep succeeded 2.5 s",
        "train running",
        "train succeeded 80.0 s",
    ]
    assert told[-1].startswith("Succeeded in ")


@pytest.mark.parametrize("way", ["in_a_pod", "kubeconfig"])
def test_in_a_pod_and_through_a_kubeconfig_no_link_is_made_up(
    kubeflow: KubeflowApi,
    request: pytest.FixtureRequest,
    recwarn: pytest.WarningsRecorder,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    request.getfixturevalue(way)
    gives_a_link = "set KF_PIPELINES_UI_ENDPOINT to the UI's URL for a link"
    told = submitted(kubeflow, Connection())
    assert told[0] == f"Run {kubeflow.run_id} in experiment pipeline_samples: {gives_a_link}"
    kubeflow.script = [shows("FAILED")]
    assert told_of_a_failure(kubeflow, Connection())[0][-1].endswith(f" s: run {kubeflow.run_id}")
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://kubeflow.example/pipeline")
    link = "https://kubeflow.example/pipeline/#/runs/details/"
    assert told_of_a_failure(kubeflow, Connection())[0][-1].endswith(f" s: {link}{kubeflow.run_id}")
    assert [str(warning.message) for warning in recwarn] == []


def test_steps_inside_conditions_have_names_and_conditions_have_none() -> None:
    names = step_names(COMPILED)
    assert names["aml-deploy-model"] == names["Deploy Model to Azure ML"] == "aml_deploy_model"
    assert names["Clean Up Unfinished Rollouts"] == "aml_reconcile"
    assert len(set(names.values())) == 9


def test_without_waiting_nothing_is_asked_of_the_run(kubeflow: KubeflowApi) -> None:
    assert len(submitted(kubeflow, wait=False)) == 1
    assert kubeflow.requests[-1] == "POST /runs"


def test_a_run_that_does_not_end_in_time_goes_on(kubeflow: KubeflowApi) -> None:
    kubeflow.script = [shows("RUNNING")]
    with pytest.raises(PipelineError, match=r"did not end within 0\.2 s \(state: RUNNING\); it continues: http"):
        submitted(kubeflow, timeout=0.2)
    assert not kubeflow.terminated


def test_a_server_that_is_away_for_a_while_does_no_harm(kubeflow: KubeflowApi) -> None:
    kubeflow.script = [shows("RUNNING"), shows("RUNNING"), shows("SUCCEEDED")]
    kubeflow.faults["GET /runs/*"] = [Fault(), Fault(503, "upstream"), Fault(502, html=True), Fault(429, "slow")]
    told = submitted(kubeflow)
    assert [line for line in told if "retrying" in line] == [
        "Kubeflow is unavailable: the connection was lost; retrying for 300 s"
    ]
    assert kubeflow.requests.count("GET /runs/*") == 8


def test_a_server_that_stays_away_is_given_up(kubeflow: KubeflowApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_follower, "OUTAGE_SECONDS", 0.2)
    kubeflow.faults["GET /runs/*"] = [Fault()] * 1000
    with pytest.raises(KubeflowError, match=r"reading run \S+, which continues: the connection was lost: http"):
        submitted(kubeflow)


def test_a_server_that_is_away_at_the_end_of_the_time_is_said_so(kubeflow: KubeflowApi) -> None:
    kubeflow.faults["GET /runs/*"] = [Fault()] * 1000
    with pytest.raises(PipelineError, match=r"within 0\.2 s \(state: unknown\)"):
        submitted(kubeflow, timeout=0.2)


def test_an_identity_that_expires_while_waiting_is_no_outage(kubeflow: KubeflowApi) -> None:
    kubeflow.faults["GET /runs/*"] = [Fault(401, "expired")]
    with pytest.raises(KubeflowError, match=r"\S+, which continues: .*not authenticated.*\(expired\): http"):
        submitted(kubeflow)
    assert kubeflow.requests.count("GET /runs/*") == 1


@pytest.mark.parametrize(
    ("asked", "fault", "said"),
    [
        ("GET /healthz", Fault(401, "who?"), r"connecting: not authenticated.*--token-file.*\(who\?\)"),
        ("GET /healthz", Fault(302, location="/dex/auth"), "redirects to a login page"),
        ("GET /healthz", Fault(200, html=True), r"the response is a web page, not the API \(text/html\).*/pipeline"),
        ("GET /healthz", Fault(404, html=True), "not found: .*ends in /pipeline"),
        ("GET /healthz", Fault(500, "no database"), r"responded with status 500 \(no database\)"),
        ("GET /healthz", Fault(), "connection was lost"),
        ("POST /experiments", Fault(403, "rbac"), r"experiment pipeline_samples: no permission.*\(rbac\)"),
        ("POST /runs", Fault(409, "there is"), r"creating the run: conflict with .*\(there is\)"),
        ("POST /runs", Fault(500, "a\nb" * 999), r"status 500 \(a b.* \.\.\.\)"),
        ("POST /runs", Fault(), "lost; the run may have been created"),
    ],
)
def test_a_refusal_is_one_line(kubeflow: KubeflowApi, asked: str, fault: Fault, said: str) -> None:
    kubeflow.faults[asked] = [fault] * 2
    with pytest.raises(KubeflowError, match=said) as raised:
        submitted(kubeflow)
    assert str(raised.value).startswith(f"Kubeflow at {kubeflow.url}")
    assert "\n" not in str(raised.value)
    assert kubeflow.requests.count(asked) == 1
    assert not kubeflow.runs


def cancelled_while_following(monkeypatch: pytest.MonkeyPatch, *, interactive: bool) -> None:
    def interrupted(*_: object) -> None:
        raise CancelledError("cancelled by SIGINT", interactive=interactive)

    monkeypatch.setattr(run_follower.RunFollower, "follow", interrupted)


@pytest.mark.parametrize("flag", [True, False])
def test_whoever_stops_the_command_may_end_the_run(kubeflow: KubeflowApi, monkeypatch, flag: bool) -> None:
    cancelled_while_following(monkeypatch, interactive=False)
    asked: list[None] = []
    monkeypatch.setattr(submit_module, "_wants_to_terminate", lambda: asked.append(None))
    with pytest.raises(
        CancelledError, match="is being terminated" if flag else r"the run continues; .*/runs/\S+:terminate"
    ):
        submitted(kubeflow, terminate_on_cancel=flag)
    assert kubeflow.terminated == (kubeflow.run_ids if flag else [])
    assert not asked


def test_a_run_that_cannot_be_terminated_is_said_to_go_on(kubeflow: KubeflowApi, monkeypatch) -> None:
    cancelled_while_following(monkeypatch, interactive=True)
    monkeypatch.setattr(submit_module, "_wants_to_terminate", lambda: True)
    kubeflow.faults["POST /runs/*:terminate"] = [Fault(403, "rbac")]
    with pytest.raises(CancelledError, match=r"the run continues \(.*no permission.*rbac"):
        submitted(kubeflow)
