from __future__ import annotations

import pytest

from databricks_api import Databricks

pytestmark = pytest.mark.anyio


async def create(databricks: Databricks, script: str, **settings: object) -> int:
    await databricks.import_item("/Shared/job.py", script, overwrite=True)
    task = {"python_file": "/Workspace/Shared/job.py", "parameters": ["{{job.parameters.day}}", "{{task.name}}"]}
    tasks = [{"task_key": "main", "spark_python_task": task}]
    parameters = [{"name": "day", "default": "monday"}]
    job = await databricks.post(
        "2.2/jobs/create", **{"name": "j", "tasks": tasks, "parameters": parameters, **settings}
    )
    return int(job["job_id"])


async def test_a_job_runs_with_its_parameters(databricks: Databricks) -> None:
    job_id = await create(databricks, "import sys\nprint(sys.argv[1:])")

    default = await databricks.post("2.2/jobs/run-now", job_id=job_id)
    given = await databricks.post("2.2/jobs/run-now", job_id=job_id, job_parameters={"day": "friday"})
    replaced = await databricks.post("2.2/jobs/run-now", job_id=job_id, python_params=["x"])

    # One at a time is the default limit.
    assert (await databricks.ended(given["run_id"]))["state"]["life_cycle_state"] == "SKIPPED"
    assert (await databricks.ended(replaced["run_id"]))["state"]["result_state"] == "MAXIMUM_CONCURRENT_RUNS_REACHED"
    run = await databricks.ended(default["run_id"])
    assert (run["run_type"], run["job_id"]) == ("JOB_RUN", job_id)
    assert (await databricks.output(run))["logs"] == "['monday', 'main']\n"
    for fields, logs in (
        ({"job_parameters": {"day": "friday"}}, "['friday', 'main']\n"),
        ({"python_params": ["x"]}, "['x']\n"),
    ):
        again = await databricks.post("2.2/jobs/run-now", job_id=job_id, **fields)
        assert (await databricks.output(await databricks.ended(again["run_id"])))["logs"] == logs
    status, _, message = await databricks.refused(
        "POST", "2.2/jobs/run-now", json={"job_id": job_id, "job_parameters": {"night": "x"}}
    )
    assert (status, message) == (400, "The job has no parameter night.")


async def test_a_queue_keeps_runs_above_the_limit(databricks: Databricks) -> None:
    job_id = await create(databricks, "import time\ntime.sleep(600)", queue={"enabled": True})
    first = (await databricks.post("2.2/jobs/run-now", job_id=job_id))["run_id"]
    second = (await databricks.post("2.2/jobs/run-now", job_id=job_id))["run_id"]
    await databricks.reached(first, "RUNNING")

    queued = await databricks.reached(second, "QUEUED")
    assert queued["status"]["queue_details"]["code"] == "MAX_CONCURRENT_RUNS_REACHED"
    await databricks.post("2.2/jobs/runs/cancel", run_id=first)
    await databricks.reached(second, "RUNNING")

    await databricks.post("2.2/jobs/runs/cancel-all", job_id=job_id)
    assert (await databricks.ended(second))["state"]["result_state"] == "CANCELED"


async def test_an_idempotency_token_runs_a_job_once(databricks: Databricks) -> None:
    job_id = await create(databricks, "")

    first = await databricks.post("2.2/jobs/run-now", job_id=job_id, idempotency_token="t")
    again = await databricks.post("2.2/jobs/run-now", job_id=job_id, idempotency_token="t")

    assert first["run_id"] == again["run_id"]


async def test_jobs_are_changed_listed_and_deleted(databricks: Databricks) -> None:
    job_id = await create(databricks, "")
    await create(databricks, "", name="other")

    await databricks.post("2.1/jobs/update", job_id=job_id, new_settings={"name": "renamed"})
    named = await databricks.get("2.2/jobs/list", name="RENAMED")
    assert [job["settings"]["name"] for job in named["jobs"]] == ["renamed"]
    assert "tasks" not in named["jobs"][0]["settings"]
    job = await databricks.get("2.2/jobs/get", job_id=job_id)
    assert [task["task_key"] for task in job["settings"]["tasks"]] == ["main"]
    await databricks.post("2.2/jobs/reset", job_id=job_id, new_settings={"name": "empty", "tasks": []})
    assert (await databricks.get("2.2/jobs/get", job_id=job_id))["settings"]["tasks"] == []
    await databricks.post("2.2/jobs/delete", job_id=job_id)

    missing = (400, "INVALID_PARAMETER_VALUE", f"Job {job_id} does not exist.")
    assert await databricks.refused("GET", f"2.2/jobs/get?job_id={job_id}") == missing
    assert await databricks.refused("POST", "2.2/jobs/run-now", json={"job_id": job_id}) == missing
