"""What `submit` shows of a run while it follows it, and when it takes it for ended: with rows as the real server's."""

from itertools import permutations
from typing import Any

import pytest

from kfp_azureml.kubeflow import run_follower
from kfp_azureml.runtime.errors import CancelledError, PipelineError, RunCancelledError
from kubeflow_api import Fault, KubeflowApi, shows, task
from kubeflow_rows import workflow_rows
from submissions import submitted, told_of_a_failure

RUNNING = shows("RUNNING", *workflow_rows("RUNNING", aml_preflight="RUNNING"))
DONE = dict.fromkeys(
    [
        "aml_preflight",
        "prep",
        "train",
        "score",
        "quality_gate",
        "aml_register_model",
        "aml_deploy_model",
        "aml_reconcile",
    ],
    "SUCCEEDED",
)


def steps(told: list[str]) -> list[str]:
    """The lines on steps, without times."""
    return [" ".join(line.split()[:2]) for line in told if line.startswith("  ")]


def test_a_whole_run_has_one_line_for_each_step_and_state(kubeflow: KubeflowApi) -> None:
    states: dict[str, str] = {}
    kubeflow.script = [shows("PENDING")]
    for step in DONE:
        for state in ("PENDING", "RUNNING", "RUNNING", "SUCCEEDED"):
            states[step] = state
            kubeflow.script.append(shows("RUNNING", *workflow_rows("RUNNING", **states)))
    kubeflow.script.append(shows("SUCCEEDED", *workflow_rows("SUCCEEDED", **states)))
    assert steps(submitted(kubeflow)) == [f"{step} {state}" for step in DONE for state in ("running", "succeeded")]


@pytest.mark.parametrize("state", [None, "RUNTIME_STATE_UNSPECIFIED", "OF_A_LATER_VERSION"])
def test_rows_without_a_known_state_are_not_shown(kubeflow: KubeflowApi, state: str | None) -> None:
    rows = [{**task("prep", "RUNNING"), "state": state}, {"task_id": "1", "state": "SUCCEEDED"}, {"task_id": "2"}, {}]
    nothing = {"state_history": None, "child_tasks": None, "start_time": None, "end_time": None}
    kubeflow.script = [
        shows("RUNNING", *rows),
        {**shows("SUCCEEDED", *rows, {**task("train", "SUCCEEDED"), **nothing}), "state_history": None},
    ]
    assert steps(submitted(kubeflow)) == ["train succeeded"]


def test_iterations_of_a_loop_are_one_step(kubeflow: KubeflowApi) -> None:
    def loop(*states: str) -> list[dict[str, Any]]:
        return [{**task("prep", state, 4), "task_id": str(number)} for number, state in enumerate(states)]

    kubeflow.script = [
        shows("RUNNING", *loop("RUNNING", "PENDING")),
        shows("RUNNING", *loop("SUCCEEDED", "PENDING")),
        shows("RUNNING", *loop("SUCCEEDED", "RUNNING")),
        shows("SUCCEEDED", *loop("SUCCEEDED", "SUCCEEDED")),
    ]
    assert steps(submitted(kubeflow)) == ["prep running", "prep succeeded"]


@pytest.mark.parametrize("states", [*permutations(["SUCCEEDED", "FAILED", "RUNNING"])])
def test_a_loop_has_failed_when_all_of_it_has_ended(kubeflow: KubeflowApi, states: tuple[str, ...]) -> None:
    rows = [{**task("prep", state, 4), "task_id": str(number)} for number, state in enumerate(states)]
    ended = [{**row, "state": "SUCCEEDED" if row["state"] == "RUNNING" else row["state"]} for row in rows]
    kubeflow.script = [shows("RUNNING", *rows), shows("FAILED", *ended)]
    told, error = told_of_a_failure(kubeflow)
    assert steps(told) == ["prep running", "prep failed"]
    assert str(error).startswith("prep: ")


def test_an_attempt_that_failed_is_no_failed_step(kubeflow: KubeflowApi) -> None:
    again = [task("prep(0)", "FAILED", 1), task("prep(1)", "RUNNING"), task("prep", "RUNNING")]
    kubeflow.script = [shows("RUNNING", *again), shows("SUCCEEDED", *again[:1], task("prep", "SUCCEEDED", 9))]
    assert steps(submitted(kubeflow)) == ["prep running", "prep succeeded"]


def test_no_time_is_made_of_the_servers_zero(kubeflow: KubeflowApi) -> None:
    row = {**task("prep", "SUCCEEDED"), "start_time": "1970-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:00Z"}
    kubeflow.script = [shows("SUCCEEDED", row, {**row, "display_name": "train", "start_time": "2027-01-01T00:00:00Z"})]
    assert {line for line in submitted(kubeflow) if line.startswith("  ")} == {
        "  prep                 succeeded",
        "  train                succeeded",
    }


def test_the_last_lines_are_there_though_the_run_is_told_to_have_ended_first(kubeflow: KubeflowApi) -> None:
    late = {**DONE, "aml_deploy_model": "RUNNING", "aml_reconcile": ""}
    kubeflow.script = [
        RUNNING,
        shows("SUCCEEDED", *workflow_rows("RUNNING", **late)),
        shows("SUCCEEDED", *workflow_rows("RUNNING", **late)),
        shows("SUCCEEDED", *workflow_rows("SUCCEEDED", **DONE)),
    ]
    assert {"aml_deploy_model succeeded", "aml_reconcile succeeded"} <= set(steps(submitted(kubeflow)))


def test_a_step_that_no_poll_saw_is_looked_for_once_more(kubeflow: KubeflowApi) -> None:
    kubeflow.script = [shows("SUCCEEDED"), shows("SUCCEEDED", *workflow_rows("SUCCEEDED", **DONE))]
    assert steps(submitted(kubeflow)) == [f"{step} succeeded" for step in [*DONE]]


def test_rows_that_never_end_are_not_waited_for_for_ever(kubeflow: KubeflowApi) -> None:
    kubeflow.script = [shows("SUCCEEDED", *workflow_rows("RUNNING", prep="RUNNING"))]
    assert steps(submitted(kubeflow)) == ["prep running"]


@pytest.mark.parametrize("fault", [Fault(), Fault(503), Fault(200, html=True), Fault(401, "expired")])
def test_a_server_that_is_away_after_the_end_changes_nothing(
    kubeflow: KubeflowApi, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    real = run_follower.RunFollower._settled

    def away(follower: run_follower.RunFollower, run: Any) -> Any:
        kubeflow.faults["GET /runs/*"] = [fault] * 1000
        return real(follower, run)

    monkeypatch.setattr(run_follower.RunFollower, "_settled", away)
    assert submitted(kubeflow)[-1].startswith("Succeeded in ")


def test_a_page_in_place_of_the_run_is_said_at_once(kubeflow: KubeflowApi) -> None:
    kubeflow.faults["GET /runs/*"] = [Fault(200, html=True)]
    with pytest.raises(Exception, match=r"which continues: the response is a web page, not the API \(text/html\)"):
        submitted(kubeflow)


CANCELLING = shows("CANCELING", *workflow_rows("RUNNING", prep="RUNNING"))
FAILED = shows("FAILED", *workflow_rows("FAILED", prep="FAILED"))
ASKED = ("PENDING", "RUNNING", "CANCELING", "FAILED")


@pytest.mark.parametrize(
    "script",
    [
        [RUNNING, CANCELLING, FAILED],
        [CANCELLING, {**FAILED, "state_history": None}],
        [RUNNING, {**FAILED, **shows("FAILED", history=ASKED)}],
        [RUNNING, shows("CANCELED")],
        [RUNNING, shows("FAILED", history=("RUNNING", "CANCELED"))],
    ],
)
def test_a_run_whose_end_was_asked_for_was_cancelled(kubeflow: KubeflowApi, script: list[dict[str, Any]]) -> None:
    kubeflow.script = script
    told, error = told_of_a_failure(kubeflow)
    assert isinstance(error, RunCancelledError)
    assert error.exit_code == CancelledError.exit_code
    assert str(error) == f"run {kubeflow.run_id} was cancelled on Kubeflow"
    assert told[-1].startswith("Cancelled after ")


def test_a_run_that_succeeded_before_its_end_was_enforced_has_succeeded(kubeflow: KubeflowApi) -> None:
    kubeflow.script = [CANCELLING, shows("SUCCEEDED", history=("RUNNING", "CANCELING", "SUCCEEDED"))]
    assert submitted(kubeflow)[-1].startswith("Succeeded in ")


@pytest.mark.parametrize("history", [None, [], [{"state": "RUNNING"}, {"state": "FAILED"}]])
def test_a_run_that_just_failed_was_not_cancelled(kubeflow: KubeflowApi, history: list[Any] | None) -> None:
    kubeflow.script = [RUNNING, {**FAILED, "state_history": history}]
    told, error = told_of_a_failure(kubeflow)
    assert (type(error), error.exit_code) == (PipelineError, 1)
    assert told[-1].startswith("Failed after ")
