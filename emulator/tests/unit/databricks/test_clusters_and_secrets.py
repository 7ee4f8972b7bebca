from __future__ import annotations

import pytest

from azureml_emulator.test_control.behaviours import ClusterBehaviour, RunBehaviour
from databricks_api import Databricks

pytestmark = pytest.mark.anyio
VERSION = "16.4.x-scala2.12"


async def test_a_cluster_is_started_terminated_and_deleted(databricks: Databricks) -> None:
    cluster_id = (await databricks.post("2.1/clusters/create", spark_version=VERSION, cluster_name="c"))["cluster_id"]

    async def state() -> str:
        return str((await databricks.get("2.1/clusters/get", cluster_id=cluster_id))["state"])

    assert await state() == "RUNNING"
    await databricks.post("2.1/clusters/delete", cluster_id=cluster_id)
    assert await state() == "TERMINATED"
    await databricks.post("2.1/clusters/start", cluster_id=cluster_id)
    assert await state() == "RUNNING"
    await databricks.post("2.1/clusters/permanent-delete", cluster_id=cluster_id)
    missing = await databricks.refused("GET", f"2.1/clusters/get?cluster_id={cluster_id}")
    assert missing == (400, "INVALID_PARAMETER_VALUE", f"Cluster {cluster_id} does not exist")
    assert await databricks.get("2.1/clusters/list") == {"clusters": []}


async def test_a_run_starts_a_terminated_cluster_and_ends_its_own(databricks: Databricks) -> None:
    cluster_id = (await databricks.post("2.1/clusters/create", spark_version=VERSION))["cluster_id"]
    await databricks.post("2.1/clusters/delete", cluster_id=cluster_id)
    await databricks.import_item("/Shared/env.py", "import os\nprint(os.environ.get('COLOUR'))")
    python = {"python_file": "/Workspace/Shared/env.py"}
    tasks = [
        {"task_key": "existing", "spark_python_task": python, "existing_cluster_id": cluster_id},
        {
            "task_key": "own",
            "spark_python_task": python,
            "new_cluster": {"spark_version": VERSION, "spark_env_vars": {"COLOUR": "red"}},
        },
    ]
    run = await databricks.ended((await databricks.post("2.2/jobs/runs/submit", tasks=tasks))["run_id"])

    assert run["state"]["result_state"] == "SUCCESS"
    assert (await databricks.output(run, 1))["logs"] == "red\n"
    clusters = [task["cluster_instance"]["cluster_id"] for task in run["tasks"]]
    states = [(await databricks.get("2.1/clusters/get", cluster_id=each))["state"] for each in clusters]
    assert clusters[0] == cluster_id
    assert states == ["RUNNING", "TERMINATED"]


@pytest.mark.parametrize("never_starts", [False, True])
async def test_a_cluster_that_does_not_start_fails_its_runs(databricks: Databricks, never_starts: bool) -> None:
    databricks.context.behaviours.set([ClusterBehaviour(cluster="bad", never_starts=never_starts, message="no quota")])
    cluster = {"spark_version": VERSION, "cluster_name": "bad"}
    python = {"python_file": "/Workspace/Shared/none.py"}
    tasks = [{"task_key": "main", "spark_python_task": python, "new_cluster": cluster}]
    run_id = (await databricks.post("2.2/jobs/runs/submit", tasks=tasks, timeout_seconds=1))["run_id"]

    run = await databricks.ended(run_id)

    if never_starts:
        assert run["state"]["result_state"] == "TIMEDOUT"
    else:
        assert run["state"]["life_cycle_state"] == "INTERNAL_ERROR"
        details = run["status"]["termination_details"]
        assert (details["code"], details["type"]) == ("CLUSTER_ERROR", "CLOUD_FAILURE")
        assert "no quota" in details["message"]


@pytest.mark.parametrize("hold", ["QUEUED", "PENDING", "RUNNING"])
async def test_a_run_stays_in_a_state_until_the_behaviour_goes(databricks: Databricks, hold: str) -> None:
    databricks.context.behaviours.set([RunBehaviour(run="held*", hold=hold)])
    run_id = await databricks.submit_script("", run_name="held run")
    other = await databricks.submit_script("", run_name="other")

    assert (await databricks.ended(other))["state"]["result_state"] == "SUCCESS"
    assert (await databricks.run(run_id))["state"]["life_cycle_state"] == hold
    databricks.context.behaviours.set([])
    assert (await databricks.ended(run_id))["state"]["result_state"] == "SUCCESS"


async def test_a_run_ends_as_told(databricks: Databricks) -> None:
    behaviour = RunBehaviour(result="SUCCESS_WITH_FAILURES", code="SUCCESS_WITH_FAILURES", message="some failed")
    databricks.context.behaviours.set([behaviour])

    run = await databricks.ended(await databricks.submit_script(""))

    assert run["state"]["result_state"] == "SUCCESS_WITH_FAILURES"
    assert run["state"]["state_message"] == "some failed"


async def test_secrets_are_written_and_only_runs_read_them(databricks: Databricks) -> None:
    await databricks.post("2.0/secrets/scopes/create", scope="s")
    await databricks.post("2.0/secrets/put", scope="s", key="k", string_value="geheim")

    assert (await databricks.refused("POST", "2.0/secrets/scopes/create", json={"scope": "s"}))[1] == (
        "RESOURCE_ALREADY_EXISTS"
    )
    listed = await databricks.get("2.0/secrets/list", scope="s")
    assert [set(secret) for secret in listed["secrets"]] == [{"key", "last_updated_timestamp"}]
    status, code, _ = await databricks.refused("GET", "2.0/secrets/get?scope=s&key=k")
    assert (status, code) == (400, "BAD_REQUEST")

    token = databricks.context.databricks.scopes.new_run_token()
    of_run = {"authorization": f"Bearer {token}"}
    read = await databricks.send("GET", "/api/2.0/secrets/get?scope=s&key=k", headers=of_run)
    assert read.json() == {"key": "k", "value": "geheim"}
    assert (await databricks.send("GET", "/api/2.0/secrets/list?scope=s", headers=of_run)).status_code == 403
    databricks.context.databricks.scopes.end_run_token(token)
    assert (await databricks.send("GET", "/api/2.0/secrets/get?scope=s&key=k", headers=of_run)).status_code == 403

    await databricks.post("2.0/secrets/delete", scope="s", key="k")
    await databricks.post("2.0/secrets/scopes/delete", scope="s")
    missing = await databricks.refused("GET", "2.0/secrets/list?scope=s")
    assert missing == (404, "RESOURCE_DOES_NOT_EXIST", "Scope s does not exist.")
