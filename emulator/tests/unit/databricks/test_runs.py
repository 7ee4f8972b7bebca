"""Runs that really run: outputs, failures, order of tasks, cancellation, limits."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from databricks_api import Databricks
from processes import processes_of

pytestmark = pytest.mark.anyio


def script_task(key: str, script: str = "ok", **fields: object) -> dict[str, object]:
    return {"task_key": key, "spark_python_task": {"python_file": f"/Workspace/Shared/{script}.py"}, **fields}


@pytest.fixture
async def scripts(databricks: Databricks) -> None:
    await databricks.import_item("/Shared/ok.py", "print('ok')")
    await databricks.import_item("/Shared/bad.py", "raise ValueError('no images')")
    await databricks.import_item("/Shared/slow.py", "import time\nprint('slow', flush=True)\ntime.sleep(600)")


async def test_a_script_gets_its_parameters_and_files(databricks: Databricks) -> None:
    await databricks.send("PUT", "/api/2.0/fs/files/Volumes/main/default/v/in.txt", content=b"7")
    script = "import sys\nfrom pathlib import Path\nprint(sys.argv[1:], Path(sys.argv[1].split('=')[1]).read_text())"
    run_id = await databricks.submit_script(script, "--in=/Volumes/main/default/v/in.txt", "a b", run_name="r")

    run = await databricks.ended(run_id)

    assert run["state"]["result_state"] == "SUCCESS"
    assert run["status"] == {
        "state": "TERMINATED",
        "termination_details": {"code": "SUCCESS", "type": "SUCCESS", "message": ""},
    }
    assert run["run_page_url"].startswith(f"https://{databricks.host}/?o=")
    output = await databricks.output(run)
    assert output["logs"] == "['--in=/Volumes/main/default/v/in.txt', 'a b'] 7\n"
    assert output["logs_truncated"] is False
    assert output["metadata"]["job_run_id"] == run_id


async def test_a_failure_has_error_and_trace(databricks: Databricks) -> None:
    run = await databricks.ended(await databricks.submit_script("print('begin')\nraise ValueError('no images')"))

    assert run["state"]["result_state"] == "FAILED"
    assert run["state"]["state_message"] == (
        "Task main failed with message: Workload failed, see run output for details"
    )
    assert run["status"]["termination_details"]["type"] == "CLIENT_ERROR"
    output = await databricks.output(run)
    assert output["error"] == "ValueError: no images"
    assert 'File "/Workspace/Shared/script.py", line 2' in output["error_trace"]
    assert output["logs"].startswith("begin\nTraceback")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("import sys\nsys.exit(3)", "SystemExit: 3"),
        ("import os\nos._exit(4)", "The Python process exited with code 4."),
        (
            "import pyspark",
            "PySpark is not installed in",
        ),
        ("def f(:", "SyntaxError: invalid syntax"),
    ],
)
async def test_failures_of_all_kinds_have_an_error(databricks: Databricks, script: str, error: str) -> None:
    run = await databricks.ended(await databricks.submit_script(script))

    assert (await databricks.output(run))["error"].startswith(error)


async def test_a_missing_pyspark_says_every_way_to_name_one(databricks: Databricks) -> None:
    run = await databricks.ended(await databricks.submit_script("import pyspark"))

    error = (await databricks.output(run))["error"]
    assert "--spark-python PYTHON" in error
    assert "AZUREML_EMULATOR_SPARK_PYTHON" in error


async def test_an_exit_without_a_code_is_a_success(databricks: Databricks) -> None:
    run = await databricks.ended(await databricks.submit_script("import sys\nsys.exit()"))

    assert run["state"]["result_state"] == "SUCCESS"


async def test_the_output_of_a_run_with_tasks_is_refused(databricks: Databricks) -> None:
    run = await databricks.ended(await databricks.submit_script(""))

    status, code, message = await databricks.refused("GET", f"2.2/jobs/runs/get-output?run_id={run['run_id']}")

    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message.startswith("Retrieving the output of runs with multiple tasks is not supported.")


async def test_long_logs_keep_their_end(databricks: Databricks) -> None:
    run = await databricks.ended(await databricks.submit_script("print('a' * 6_000_000 + 'end')"))

    output = await databricks.output(run)
    assert output["logs_truncated"] is True
    assert len(output["logs"]) == 5 * 1024 * 1024
    assert output["logs"].endswith("aend\n")


async def test_a_task_has_no_credentials(databricks: Databricks) -> None:
    databricks.context.databricks.open(
        {"HTTPS_PROXY": "http://127.0.0.1:1", "AZ_CLIENT_SECRET": "geheim", "ARM_CLIENT_SECRET": "geheim"}
    )
    run = await databricks.ended(await databricks.submit_script("import os\nprint(dict(os.environ))"))

    logs = (await databricks.output(run))["logs"]
    assert "http://127.0.0.1:1" in logs
    assert "geheim" not in logs


async def test_tasks_run_in_order_and_a_failure_stops_the_next(databricks: Databricks, scripts: None) -> None:
    tasks = [
        script_task("last", depends_on=[{"task_key": "middle"}]),
        script_task("middle", "bad", depends_on=[{"task_key": "first"}]),
        script_task("first"),
        script_task("mend", depends_on=[{"task_key": "middle"}], run_if="AT_LEAST_ONE_FAILED"),
    ]
    submitted = await databricks.post("2.2/jobs/runs/submit", tasks=tasks)

    run = await databricks.ended(submitted["run_id"])

    results = {task["task_key"]: task["state"]["result_state"] for task in run["tasks"]}
    assert results == {"first": "SUCCESS", "middle": "FAILED", "last": "UPSTREAM_FAILED", "mend": "SUCCESS"}
    assert run["state"]["result_state"] == "FAILED"
    assert run["state"]["state_message"].startswith("Task middle failed with message: Workload failed")


async def test_a_failure_that_is_caught_is_a_success_with_failures(databricks: Databricks, scripts: None) -> None:
    tasks = [
        script_task("bad", "bad"),
        script_task("always", depends_on=[{"task_key": "bad"}], run_if="ALL_DONE"),
    ]
    run = await databricks.ended((await databricks.post("2.2/jobs/runs/submit", tasks=tasks))["run_id"])

    assert run["state"]["result_state"] == "SUCCESS_WITH_FAILURES"


async def test_cancelling_ends_the_process(databricks: Databricks, scripts: None, tmp_path: Path) -> None:
    run_id = (await databricks.post("2.2/jobs/runs/submit", tasks=[script_task("main", "slow")]))["run_id"]
    await databricks.reached(run_id, "RUNNING")
    while not processes_of(tmp_path / "databricks" / "running"):
        await asyncio.sleep(0.02)

    await databricks.post("2.2/jobs/runs/cancel", run_id=run_id)
    run = await databricks.ended(run_id)

    assert run["state"]["result_state"] == "CANCELED"
    assert run["state"]["user_cancelled_or_timedout"] is True
    assert run["status"]["termination_details"] == {
        "code": "USER_CANCELED",
        "type": "SUCCESS",
        "message": "Run cancelled.",
    }
    assert run["tasks"][0]["state"]["result_state"] == "CANCELED"
    assert processes_of(tmp_path / "databricks" / "running") == []
    await databricks.post("2.2/jobs/runs/cancel", run_id=run_id)  # once more is no error


async def test_one_task_is_cancelled_by_its_own_run_id(databricks: Databricks, scripts: None) -> None:
    tasks = [script_task("slow", "slow"), script_task("ok"), script_task("next", depends_on=[{"task_key": "slow"}])]
    run_id = (await databricks.post("2.2/jobs/runs/submit", tasks=tasks))["run_id"]
    run = await databricks.reached(run_id, "RUNNING")

    await databricks.post("2.2/jobs/runs/cancel", run_id=run["tasks"][0]["run_id"])
    run = await databricks.ended(run_id)

    results = {task["task_key"]: task["state"]["result_state"] for task in run["tasks"]}
    assert results == {"slow": "CANCELED", "ok": "SUCCESS", "next": "UPSTREAM_CANCELED"}


@pytest.mark.parametrize("of_task", [False, True])
async def test_a_timeout_ends_the_process(databricks: Databricks, scripts: None, tmp_path: Path, of_task: bool) -> None:
    task = script_task("main", "slow", **({"timeout_seconds": 1} if of_task else {}))
    fields = {} if of_task else {"timeout_seconds": 1}
    run = await databricks.ended((await databricks.post("2.2/jobs/runs/submit", tasks=[task], **fields))["run_id"])

    assert run["state"]["result_state"] == "TIMEDOUT"
    assert run["tasks"][0]["state"]["result_state"] == "TIMEDOUT"
    assert processes_of(tmp_path / "databricks" / "running") == []


async def test_retries_are_attempts_of_their_own(databricks: Databricks, scripts: None) -> None:
    task = script_task("main", "bad", max_retries=2)
    run = await databricks.ended((await databricks.post("2.2/jobs/runs/submit", tasks=[task]))["run_id"])

    assert [each["attempt_number"] for each in run["tasks"]] == [0, 1, 2]
    assert len({each["run_id"] for each in run["tasks"]}) == 3


async def test_an_idempotency_token_hands_back_the_run(databricks: Databricks, scripts: None) -> None:
    submission = {"tasks": [script_task("main", "bad")], "idempotency_token": "t" * 64}
    first = await databricks.post("2.2/jobs/runs/submit", **submission)
    run = await databricks.ended(first["run_id"])

    assert run["state"]["result_state"] == "FAILED"
    assert await databricks.post("2.2/jobs/runs/submit", **submission) == first
    await databricks.post("2.2/jobs/runs/delete", run_id=first["run_id"])
    status, code, message = await databricks.refused("POST", "2.2/jobs/runs/submit", json=submission)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "was deleted" in message
    status, _, _ = await databricks.refused(
        "POST", "2.2/jobs/runs/submit", json={**submission, "idempotency_token": "t" * 65}
    )
    assert status == 400


async def test_repair_runs_the_failed_tasks_again(databricks: Databricks, scripts: None) -> None:
    tasks = [
        script_task("ok"),
        script_task("bad", "bad", depends_on=[{"task_key": "ok"}]),
        script_task("last", depends_on=[{"task_key": "bad"}]),
    ]
    run_id = (await databricks.post("2.2/jobs/runs/submit", tasks=tasks))["run_id"]
    assert (await databricks.ended(run_id))["state"]["result_state"] == "FAILED"
    await databricks.import_item("/Shared/bad.py", "", overwrite=True)

    repaired = await databricks.post("2.2/jobs/runs/repair", run_id=run_id, rerun_all_failed_tasks=True)
    run = await databricks.ended(run_id)

    assert run["state"]["result_state"] == "SUCCESS"
    assert [(task["task_key"], task["attempt_number"]) for task in run["tasks"]] == [
        ("ok", 0),
        ("bad", 0),
        ("last", 0),
        ("bad", 1),
        ("last", 1),
    ]
    history = (await databricks.get("2.2/jobs/runs/get", run_id=run_id, include_history=True))["repair_history"]
    assert [each["type"] for each in history] == ["ORIGINAL", "REPAIR"]
    assert history[1]["id"] == repaired["repair_id"]


async def test_more_than_100_tasks_are_paged(databricks: Databricks, scripts: None) -> None:
    missing = {"python_file": "/Workspace/Shared/none.py"}
    tasks = [{"task_key": f"t{number}", "spark_python_task": missing} for number in range(101)]
    run_id = (await databricks.post("2.2/jobs/runs/submit", tasks=tasks))["run_id"]

    run = await databricks.ended(run_id)
    rest = await databricks.get("2.2/jobs/runs/get", run_id=run_id, page_token=run["next_page_token"])

    assert (len(run["tasks"]), run["has_more"]) == (100, True)
    assert (len(rest["tasks"]), "has_more" in rest) == (1, False)
    assert run["state"]["life_cycle_state"] == "INTERNAL_ERROR"
    assert run["status"]["termination_details"]["code"] == "RESOURCE_NOT_FOUND"


async def test_what_the_emulator_does_not_run_fails_and_says_so(databricks: Databricks) -> None:
    tasks = [{"task_key": "main", "python_wheel_task": {"package_name": "p", "entry_point": "main"}}]
    run = await databricks.ended((await databricks.post("2.2/jobs/runs/submit", tasks=tasks))["run_id"])

    assert run["state"]["life_cycle_state"] == "INTERNAL_ERROR"
    assert "The emulator does not run python_wheel_task" in run["state"]["state_message"]


async def test_lists_filter_and_page(databricks: Databricks, scripts: None) -> None:
    slow = (await databricks.post("2.2/jobs/runs/submit", run_name="slow", tasks=[script_task("main", "slow")]))[
        "run_id"
    ]
    for number in range(3):
        await databricks.ended(await databricks.submit_script("", run_name=f"run {number}"))

    active = await databricks.get("2.2/jobs/runs/list", active_only=True)
    page = await databricks.get("2.2/jobs/runs/list", limit=2)
    rest = await databricks.get("2.2/jobs/runs/list", limit=2, page_token=page["next_page_token"])

    assert [run["run_id"] for run in active["runs"]] == [slow]
    assert [run["run_name"] for run in page["runs"] + rest["runs"]] == ["run 2", "run 1", "run 0", "slow"]
    assert await databricks.get("2.2/jobs/runs/list", run_type="JOB_RUN") == {"has_more": False}
    assert (await databricks.refused("POST", "2.2/jobs/runs/delete", json={"run_id": slow}))[1] == "INVALID_STATE"


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ([], "At least one task is required"),
        ([{"task_key": "a"}], "must have exactly one task type; it has none"),
        ([script_task("a"), script_task("a")], "The task key a is used more than once."),
        ([script_task("a", depends_on=[{"task_key": "b"}])], "The task a depends on b, which does not exist."),
        (
            [
                script_task("a", depends_on=[{"task_key": "b"}]),
                script_task("b", depends_on=[{"task_key": "a"}]),
            ],
            "in a circle",
        ),
        ([script_task("a", existing_cluster_id="c")], "Cluster c does not exist"),
        ([script_task("a", job_cluster_key="c")], "which is not defined"),
        ([script_task("a", run_if="SOMETIMES")], "run_if of the task a must be one of"),
        ([{"task_key": "a", "spark_python_task": {"python_file": 3}}], "'python_file' must be a string"),
        ("a", "'tasks' must be a list of objects."),
    ],
)
async def test_invalid_tasks_are_refused(databricks: Databricks, tasks: object, reason: str) -> None:
    status, code, message = await databricks.refused("POST", "2.2/jobs/runs/submit", json={"tasks": tasks})

    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert reason in message


async def test_a_missing_run_is_a_400(databricks: Databricks) -> None:
    for path in ("get", "get-output"):
        refused = await databricks.refused("GET", f"2.2/jobs/runs/{path}?run_id=5")
        assert refused == (400, "INVALID_PARAMETER_VALUE", "Run 5 does not exist.")


RESULT = "Path('../result.json')"


@pytest.mark.parametrize(
    "spoil",
    [
        f"os.mkfifo({RESULT})",
        f"{RESULT}.mkdir()",
        f"{RESULT}.write_text('[' * 100000)",
        f"{RESULT}.write_text('[1]')",
        f"{RESULT}.write_text('{{\"error\": 1}}')",
        "Path('../log.txt').unlink()\nos.mkfifo('../log.txt')",
    ],
)
async def test_a_task_that_spoils_its_own_outputs_ends(databricks: Databricks, spoil: str) -> None:
    script = f"import os\nfrom pathlib import Path\n{spoil}\nos._exit(3)"

    run = await databricks.ended(await databricks.submit_script(script))

    assert run["state"]["result_state"] == "FAILED"
    assert (await databricks.output(run))["error"] == "The Python process exited with code 3."


async def test_a_text_that_is_no_unicode_is_kept(databricks: Databricks) -> None:
    run = await databricks.ended(await databricks.submit_script("raise ValueError(chr(0xD800) + 'x')"))

    assert (await databricks.output(run))["error"] == "ValueError: ?x"
