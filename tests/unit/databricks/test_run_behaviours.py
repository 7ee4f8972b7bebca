"""What users of other orchestrators asked for or broke on, each with a test that names it."""

import json
import logging
import os
import signal
import threading
from pathlib import Path

import pytest

from clock import Clock
from databricks_workspace import FAILED, HOST, PENDING, QUEUED, RUNNING, SUCCESS, Workspace, error
from http_double import Response, json_response
from https_double import answer_https
from kfp_azureml.components import databricks_run_job, databricks_submit_run
from kfp_azureml.databricks import retries, run_cancelling, run_waiting
from kfp_azureml.runtime import cancellation
from kfp_azureml.runtime.errors import CancelledError, CredentialsError, DatabricksError, WorkspaceError
from step_calls import call

NOTEBOOK = {"notebook_path": "/Workspace/Shared/prepare"}
PIPELINE = {"pipeline_run_id": "3f0c-run", "pipeline_task_name": "prepare"}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi" + "0" * 32)
    monkeypatch.delenv("DATABRICKS_HOST", raising=False)
    monkeypatch.setattr("databricks.sdk.clock.time", clock := Clock())
    return clock.pass_in(monkeypatch, retries, run_waiting, run_cancelling)


def serve(monkeypatch: pytest.MonkeyPatch, *states) -> Workspace:
    workspace = Workspace(*states)
    answer_https(monkeypatch, workspace)
    return workspace


def submit(**given):
    return call(databricks_submit_run, **{"databricks_host": HOST, "notebook_task": NOTEBOOK, **PIPELINE, **given})


def run_job(**given):
    return call(databricks_run_job, **{"databricks_host": HOST, "job_id": "77", **PIPELINE, **given})


def test_a_retry_after_a_crash_joins_the_run_and_a_lost_answer_makes_no_second_one(monkeypatch):
    workspace = serve(monkeypatch, RUNNING, SUCCESS)
    lost = iter(["lose the answer"])
    workspace.disturb = lambda request: next(lost, None) if request == "POST jobs/runs/submit" else None
    submit()
    assert len(workspace.runs) == 1
    assert workspace.requests.count("POST jobs/runs/submit") == 2
    submit()  # another attempt of the same task: the run has succeeded
    assert len(workspace.runs) == 1


def test_a_retry_after_a_failed_run_runs_again_and_a_fresh_failure_fails(monkeypatch):
    workspace = serve(monkeypatch, FAILED)
    with pytest.raises(DatabricksError, match=r"run 1000: FAILED"):
        submit()
    with pytest.raises(DatabricksError, match=r"run 1001: FAILED"):
        submit()
    workspace.next_states = [SUCCESS]
    assert submit()["result"].metadata["run_id"] == "1002"
    assert submit()["result"].metadata["run_id"] == "1002"


def test_tokens_of_deleted_runs_are_skipped(monkeypatch):
    workspace = serve(monkeypatch, SUCCESS)
    gone = iter([error(400, "INVALID_PARAMETER_VALUE", "The run of this idempotency token was deleted.")])
    workspace.disturb = lambda request: next(gone, None) if request == "POST jobs/runs/submit" else None
    submit()
    assert len(workspace.runs) == 1


def test_tasks_loop_items_and_pipeline_runs_each_have_their_own_run(monkeypatch):
    workspace = serve(monkeypatch, SUCCESS)
    for given in (
        {},
        {"pipeline_task_name": "prepare-2"},
        {"pipeline_run_id": "other"},
        {"notebook_params": {"i": "1"}},
    ):
        submit(**given)
    assert len(workspace.runs) == 4


def test_without_a_pipeline_run_each_call_runs(monkeypatch):
    workspace = serve(monkeypatch, SUCCESS)
    submit(pipeline_run_id="")
    submit(pipeline_run_id="")
    assert len(workspace.runs) == 2
    assert workspace.started()[0].body["run_name"] == "kfp-azureml"


@pytest.mark.parametrize("at", ["POST jobs/runs/submit", "GET jobs/runs/get"])
def test_sigterm_cancels_the_run_that_the_step_started(monkeypatch, at):
    workspace = serve(monkeypatch, RUNNING)
    raised = threading.Event()

    def stop(request):
        if request == at and not raised.is_set():
            raised.set()
            os.kill(os.getpid(), signal.SIGTERM)

    workspace.disturb = stop
    with pytest.raises(CancelledError, match=r"cancelled by SIGTERM: run 1000 cancelled"), cancellation.cancellable():
        submit()
    assert [run.cancelled for run in workspace.started()] == [True]


def test_polling_survives_an_hour_of_server_errors_throttling_and_resets(monkeypatch, clock):
    workspace = serve(monkeypatch, RUNNING, SUCCESS)
    faults = [Response(503, b"", headers={"Retry-After": "7"}), Response(502, b"<html>bad gateway</html>", "text/html")]
    faults += [error(429, "REQUEST_LIMIT_EXCEEDED", "slow down"), error(500, "INTERNAL_ERROR", "oops"), "refuse"]
    asked = []

    def fail(request):
        began = clock.now
        if request != "GET jobs/runs/get" or clock.now > 3600:
            return None
        asked.append(began)
        return faults[len(asked) % len(faults)]

    workspace.disturb = fail
    assert submit()["result"].metadata["result_state"] == "SUCCESS"
    assert clock.now > 3600
    assert len(asked) < 200
    assert not workspace.started()[0].cancelled


def test_a_pause_that_databricks_asks_for_is_kept(monkeypatch, clock):
    workspace = serve(monkeypatch, RUNNING, SUCCESS)
    throttled = iter([json_response(429, {"error_code": "REQUEST_LIMIT_EXCEEDED"}, **{"Retry-After": "40"})])
    asked = []

    def throttle(request):
        if request == "GET jobs/runs/get":
            asked.append(clock.now)
            return next(throttled, None)
        return None

    workspace.disturb = throttle
    submit()
    assert asked[1] - asked[0] >= 40


def test_polling_gives_up_in_the_end_and_says_what_failed(monkeypatch):
    workspace = serve(monkeypatch, RUNNING)
    workspace.disturb = lambda request: "refuse" if request == "GET jobs/runs/get" else None
    with pytest.raises(WorkspaceError, match="reading run 1000: Databricks cannot be reached"):
        submit()


def test_the_error_and_trace_of_each_failed_task_are_in_the_log_redacted(monkeypatch, caplog):
    workspace = serve(monkeypatch, FAILED)
    workspace.tasks = ["load", "fit", "report"]
    workspace.task_states = lambda key, _state: {"load": SUCCESS, "fit": FAILED, "report": ("TERMINATED", "FAILED")}[
        key
    ]
    secret = "dapi" + "1" * 32
    workspace.outputs = {
        "fit": {"error": "ValueError: no images", "error_trace": f"Traceback ...\nValueError: no images {secret}"},
        "report": {"error": "KeyError: 'x'", "error_trace": "Traceback of report"},
    }
    from kfp_azureml.runtime.redaction import RedactingFilter

    caplog.handler.addFilter(RedactingFilter())
    with caplog.at_level(logging.ERROR), pytest.raises(DatabricksError) as caught:
        submit(notebook_task={}, tasks=[{"task_key": "fit", "notebook_task": NOTEBOOK}])
    assert "task fit: ValueError: no images; task report: KeyError: 'x'" in str(caught.value)
    assert f"{HOST}/?o=1#job/77/run/1000" in str(caught.value)
    assert "task fit (run" in caplog.text
    assert "Traceback of report" in caplog.text
    assert "Traceback ...\nValueError" in caplog.text
    assert secret not in caplog.text
    assert "task load" not in caplog.text


def test_an_error_that_is_a_sentence_without_a_trace_stays_one_line(monkeypatch, caplog):
    workspace = serve(monkeypatch, FAILED)
    workspace.tasks = ["fit"]
    workspace.outputs = {"fit": {"error": "Unable to access the notebook."}}
    with caplog.at_level(logging.ERROR), pytest.raises(DatabricksError) as caught:
        submit()
    assert "task fit: Unable to access the notebook, https://" in str(caught.value)
    assert [record.getMessage() for record in caplog.records if not record.getMessage().endswith("notebook.")] == []


@pytest.mark.parametrize(
    "end",
    [
        *(("TERMINATED", result) for result in ("SUCCESS_WITH_FAILURES", "FAILED", "TIMEDOUT", "CANCELED", "DISABLED")),
        *(("TERMINATED", result) for result in ("EXCLUDED", "MAXIMUM_CONCURRENT_RUNS_REACHED", "UPSTREAM_FAILED")),
        *(("SKIPPED", None), ("INTERNAL_ERROR", "FAILED"), ("INTERNAL_ERROR", None), ("TERMINATED", None)),
    ],
)
def test_only_success_is_success_unless_a_result_is_accepted(monkeypatch, end):
    serve(monkeypatch, RUNNING, end)
    with pytest.raises(DatabricksError, match=end[1] or end[0]):
        submit()
    if end[1] or end[0] != "TERMINATED":
        accepted = ["SUCCESS", end[1] or end[0]]
        assert submit(accepted_results=accepted)["result"].metadata["life_cycle_state"] == end[0]


def test_queueing_and_running_have_limits_of_their_own_and_the_request_has_one_too(monkeypatch, clock):
    workspace = serve(monkeypatch, QUEUED, PENDING)
    with pytest.raises(
        DatabricksError, match=r"still PENDING after \d+ s \(queue_timeout_seconds=600\).*run 1000 cancel"
    ):
        submit(queue_timeout_seconds=600, timeout_seconds=60)
    assert 600 < clock.now < 900
    assert workspace.started()[0].cancelled
    assert workspace.started()[0].body["timeout_seconds"] == 60

    workspace.next_states, clock.now = [*[PENDING] * 30, RUNNING], 0
    # What it waited does not count: 60 s, and two minutes for Databricks to end the run first.
    with pytest.raises(
        DatabricksError, match=r"still RUNNING after 1\d\d s \(timeout_seconds=60\): run 1001 cancelled"
    ):
        submit(queue_timeout_seconds=600, timeout_seconds=60)
    assert clock.now > 300


def test_a_run_whose_task_waits_for_its_cluster_is_waiting(monkeypatch):
    workspace = serve(monkeypatch, RUNNING)
    workspace.task_states = lambda _key, _state: PENDING
    with pytest.raises(DatabricksError, match=r"still RUNNING \(main PENDING\).*queue_timeout_seconds=60"):
        submit(queue_timeout_seconds=60)


def test_the_link_is_logged_and_written_before_the_first_wait_and_is_in_the_error(monkeypatch, caplog, tmp_path):
    workspace = serve(monkeypatch, RUNNING, FAILED)
    result, summary = tmp_path / "result.json", tmp_path / "summary.md"
    link = f"{HOST}/?o=1#job/77/run/1000"
    polls = []

    def look(request):
        if request == "GET jobs/runs/get":
            polls.append(result.exists())
            if len(polls) == 2:
                assert json.loads(result.read_text()) == {"run_id": "1000", "run_page_url": link}
                assert link in summary.read_text()
                assert link in caplog.text

    workspace.disturb = look
    with caplog.at_level(logging.INFO), pytest.raises(DatabricksError, match=r"FAILED.*run/1000"):
        submit(result=result, summary=summary)
    assert len(polls) == 2


def test_a_run_with_several_tasks_has_the_output_of_each(monkeypatch, tmp_path):
    workspace = serve(monkeypatch, SUCCESS)
    workspace.tasks = ["count", "clean"]
    workspace.outputs = {
        key: {"notebook_output": {"result": f"{key}ed", "truncated": False}} for key in workspace.tasks
    }
    result = tmp_path / "result.json"
    submit(result=result)
    written = json.loads(result.read_text())
    assert [task["notebook_output_result"] for task in written["tasks"]] == ["counted", "cleaned"]
    assert "POST jobs/runs/submit" in workspace.requests


def test_failed_tasks_are_repaired_with_the_runs_parameters_where_that_is_asked_for(monkeypatch):
    workspace = serve(monkeypatch, FAILED)
    workspace.jobs[77] = {"name": "etl"}
    with pytest.raises(DatabricksError, match="run 1000: FAILED"):
        run_job(job_parameters={"day": "1"}, max_repairs=2, only=["a"])
    repairs = [body for name, body in workspace.bodies if name == "POST jobs/runs/repair"]
    assert [body.get("latest_repair_id") for body in repairs] == [None, 1]
    assert all(body["job_parameters"] == {"day": "1"} and body["rerun_all_failed_tasks"] for body in repairs)
    assert not any("only" in body or "queue" in body for body in repairs)

    workspace.next_states = [SUCCESS]
    run_job(job_parameters={"day": "2"})  # not asked for: run once, and no repair
    assert len(workspace.started()) == 2
    run_job(job_parameters={"day": "1"}, max_repairs=3, only=["a"])  # a retry repairs the failed run once more
    assert len(workspace.started()) == 2
    assert workspace.runs[1000].repairs == [1, 2, 3]


def test_a_repair_whose_answer_was_lost_is_not_made_twice(monkeypatch):
    workspace = serve(monkeypatch, FAILED)
    workspace.jobs[77] = {"name": "etl"}
    answers = iter(["lose the answer", error(400, "INVALID_STATE", "The run is in progress")])

    def disturb(request):
        if request != "POST jobs/runs/repair":
            return None
        workspace.next_states = [RUNNING, SUCCESS]
        return next(answers, None)

    workspace.disturb = disturb
    run_job(max_repairs=1)
    assert workspace.runs[1000].repairs == [1]


def test_previous_runs_are_cancelled_only_where_that_is_asked_for(monkeypatch):
    workspace = serve(monkeypatch, RUNNING)
    workspace.jobs[77] = {"name": "etl"}
    workspace._start({})
    workspace.next_states = [SUCCESS]
    run_job()
    assert not workspace.runs[1000].cancelled
    run_job(cancel_previous_runs=True, pipeline_run_id="next")
    assert workspace.runs[1000].cancelled
    assert workspace.bodies[-2][1]["queue"] == {"enabled": True}


def test_a_retry_does_not_cancel_the_run_that_it_joins(monkeypatch):
    workspace = serve(monkeypatch, RUNNING)
    workspace.jobs[77] = {"name": "etl"}
    workspace.disturb = lambda request: "refuse" if request == "GET jobs/runs/get" else None
    with pytest.raises(WorkspaceError, match="reading run 1000"):
        run_job(cancel_previous_runs=True)
    workspace.disturb = lambda _request: None
    workspace.runs[1000].states = [RUNNING, SUCCESS]
    assert run_job(cancel_previous_runs=True)["result"].metadata["run_id"] == "1000"
    assert not workspace.runs[1000].cancelled


def test_a_previous_run_that_was_deleted_meanwhile_needs_no_cancelling(monkeypatch):
    workspace = serve(monkeypatch, RUNNING)
    workspace.jobs[77] = {"name": "etl"}
    workspace._start({})
    workspace.next_states = [SUCCESS]
    gone = error(400, "INVALID_PARAMETER_VALUE", "Run 1000 does not exist.")
    workspace.disturb = lambda request: gone if request == "POST jobs/runs/cancel" else None
    assert run_job(cancel_previous_runs=True)["result"].metadata["result_state"] == "SUCCESS"


def test_where_a_previous_run_may_not_be_cancelled_no_run_of_this_step_stays_queued(monkeypatch):
    workspace = serve(monkeypatch, RUNNING)
    workspace.jobs[77] = {"name": "etl"}
    workspace._start({})
    refusals = iter([error(403, "PERMISSION_DENIED", "not your run")])
    workspace.disturb = lambda request: next(refusals, None) if request == "POST jobs/runs/cancel" else None
    with pytest.raises(CredentialsError, match="not your run"):
        run_job(cancel_previous_runs=True)
    assert not workspace.runs[1000].cancelled
    assert workspace.runs[1001].cancelled


def test_a_jobs_run_carries_the_pipeline_run_if_the_job_declares_the_parameter(monkeypatch):
    workspace = serve(monkeypatch, SUCCESS)
    workspace.jobs[77] = {"name": "etl", "parameters": [{"name": "kfp_azureml_run", "default": ""}]}
    run_job(job_parameters={"day": "1"})
    assert workspace.started()[0].body["job_parameters"] == {"day": "1", "kfp_azureml_run": "3f0c-run"}
    workspace.jobs[77] = {"name": "etl"}
    run_job(pipeline_run_id="other")
    assert "job_parameters" not in workspace.started()[1].body


def test_what_is_submitted_says_who_started_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    workspace = serve(monkeypatch, SUCCESS)
    submit(run_name="nightly", notebook_params={"n": "3"}, existing_cluster_id="0101-abc")
    (run,) = workspace.started()
    assert run.body["run_name"] == "nightly [kfp-azureml 3f0c-run]"
    assert len(run.body["idempotency_token"]) == 64
    assert run.body["tasks"] == [
        {
            "task_key": "main",
            "existing_cluster_id": "0101-abc",
            "notebook_task": {**NOTEBOOK, "base_parameters": {"n": "3"}},
        }
    ]
    assert not Path("outputs").exists()
