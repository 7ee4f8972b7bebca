"""The Databricks components with the real SDK on the emulated workspace; runs end as told, without Spark."""

import base64
import hashlib
import json
import multiprocessing
import os
import signal
import time

import pytest
from click.testing import CliRunner

from azureml_emulator import running_emulator
from azureml_emulator.test_control.behaviours import ClusterBehaviour, RunBehaviour
from azureml_emulator.test_control.client import Control
from kfp_azureml.databricks import clusters, run_waiting
from kfp_azureml.databricks.clean_up import clean_up
from kfp_azureml.databricks.workspace import workspace_client
from kfp_azureml.runtime.errors import CredentialsError, DatabricksError, KfpAzuremlError, WorkspaceError
from kfp_azureml.steps.command import component_command

NOTEBOOK = b"# Databricks notebook source\nprint(spark.range(3).count())\n"
MACHINE = {"spark_version": "16.4.x-scala2.12", "node_type_id": "Standard_D4ds_v5", "num_workers": 1}
TASK = {"notebook_path": "/Workspace/Shared/prepare"}


@pytest.fixture(scope="module")
def databricks():
    """Yield the emulator's control client, with the emulator's environment in this process."""
    with (
        running_emulator(arguments=["--control"]) as emulator,
        Control(emulator) as control,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        patch.setattr(run_waiting, "LONGEST_PAUSE_SECONDS", 0.1)
        patch.setattr(clusters, "LONGEST_PAUSE_SECONDS", 0.1)
        control.emulator = emulator
        yield control


@pytest.fixture(autouse=True)
def fresh(databricks, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    databricks.reset()
    databricks.set_behaviours([RunBehaviour(result="SUCCESS")])


def step(name, **given):
    """Run a step as `kfp-azureml step` does; return its values, or raise its error line."""
    options = []
    for option, value in given.items():
        text = value if isinstance(value, str) else json.dumps(value)
        flag = f"--{option.replace('_', '-')}"
        options += [flag if value else flag.replace("--", "--no-", 1)] if isinstance(value, bool) else [flag, text]
    done = CliRunner().invoke(component_command(f"databricks_{name}"), options)
    if done.exit_code:
        raise AssertionError(done.stderr.strip().splitlines()[-1] if done.stderr else repr(done.exception))
    return json.loads(done.stdout)["values"]


def test_a_notebook_is_imported_run_and_deleted():
    content = base64.b64encode(NOTEBOOK).decode()
    item = step("import_workspace_item", path=TASK["notebook_path"], content=content, language="PYTHON")
    assert item["object_type"] == "NOTEBOOK"
    assert item["object_language"] == "PYTHON"
    run = step("submit_run", run_name="prepare", notebook_task=TASK, new_cluster=MACHINE, pipeline_run_id="run-1")
    assert (run["life_cycle_state"], run["result_state"], run["error"]) == ("TERMINATED", "SUCCESS", "")
    assert run["run_name"] == "prepare [kfp-azureml run-1]"
    assert step("delete_run", run_id=run["run_id"]) == {"Output": True}
    assert step("delete_run", run_id=run["run_id"]) == {"Output": False}
    # The token of the deleted run is taken: the same step runs again under the next one.
    again = step("submit_run", run_name="prepare", notebook_task=TASK, new_cluster=MACHINE, pipeline_run_id="run-1")
    assert again["run_id"] != run["run_id"]
    assert step("delete_workspace_item", path=TASK["notebook_path"]) == {"Output": True}
    assert step("delete_workspace_item", path=TASK["notebook_path"]) == {"Output": False}


def test_a_job_is_created_updated_run_by_name_and_deleted():
    parameters = [{"name": "kfp_azureml_run", "default": ""}]
    job = step("create_job", job_name="etl", notebook_task=TASK, new_cluster=MACHINE, parameters=parameters)
    again = step("create_job", job_name="etl", notebook_task=TASK, new_cluster=MACHINE, max_concurrent_runs=2)
    assert again == job
    settings = workspace_client("").jobs.get(int(job["job_id"])).settings
    assert settings.max_concurrent_runs == 2
    assert [task.task_key for task in settings.tasks] == ["main"]
    run = step("run_job", job_name="etl", notebook_params={"day": "1"}, pipeline_run_id="run-1")
    assert run["job_id"] == job["job_id"]
    assert step("run_job", job_name="etl", notebook_params={"day": "1"}, pipeline_run_id="run-1") == run
    assert step("delete_job", job_name="etl") == {"Output": True}
    assert step("delete_job", job_name="etl") == {"Output": False}


def test_a_job_of_somebody_else_is_never_changed():
    client = workspace_client("")
    other = client.jobs.create(name="etl").job_id
    with pytest.raises(AssertionError, match=rf"job etl: exists \(id {other}\), and this step did not create it"):
        step("create_job", job_name="etl", notebook_task=TASK, new_cluster=MACHINE)


def test_a_cluster_is_created_once_found_again_and_terminated():
    given = {"cluster_name": "etl", "pipeline_run_id": "run-1", **MACHINE}
    cluster = step("create_cluster", **given)
    assert cluster["state"] == "RUNNING"
    assert step("create_cluster", **given) == cluster
    assert step("delete_cluster", cluster_name="etl") == {"Output": True}
    assert step("delete_cluster", cluster_id=cluster["cluster_id"], permanent=True) == {"Output": True}


def test_a_cluster_that_does_not_start_says_why_and_is_terminated(databricks):
    databricks.set_behaviours([ClusterBehaviour(message="QuotaExceeded: 0 cores left")])
    with pytest.raises(AssertionError, match=r"cluster etl: did not start: .*QuotaExceeded"):
        step("create_cluster", cluster_name="etl", **MACHINE)
    databricks.set_behaviours([ClusterBehaviour(never_starts=True)])
    with pytest.raises(AssertionError, match=r"still PENDING .*timeout_seconds=1.*terminated"):
        step("create_cluster", cluster_name="slow", timeout_seconds=1, **MACHINE)


def test_a_secret_scope_gets_its_values_from_the_environment(monkeypatch):
    monkeypatch.setenv("STORAGE_KEY", "a-value-of-a-secret")
    given = {"scope_name": "etl", "secrets": {"storage": "STORAGE_KEY"}}
    made = step("create_secret_scope", **given, acls=[{"principal": "users", "permission": "READ"}])
    assert made == {"secretscope_name": "etl", "secretscope_backend_type": "DATABRICKS"}
    assert step("create_secret_scope", **given) == made
    secrets = workspace_client("").secrets
    assert [secret.key for secret in secrets.list_secrets("etl")] == ["storage"]
    assert [(acl.principal, acl.permission.value) for acl in secrets.list_acls("etl")] == [("users", "READ")]
    with pytest.raises(AssertionError, match=r"secrets.storage: the environment variable NONE is not set"):
        step("create_secret_scope", scope_name="etl", secrets={"storage": "NONE"})
    assert step("delete_secret_scope", scope_name="etl") == {"Output": True}
    assert step("delete_secret_scope", scope_name="etl") == {"Output": False}


@pytest.mark.parametrize(
    "path", ["/Volumes/main/default/landing/a/t.csv", "/Workspace/Shared/t.csv", "dbfs:/data/t.csv"]
)
def test_a_file_is_uploaded_replaced_and_deleted(tmp_path, path):
    table = tmp_path / "t.csv"
    for content in (b"a,b\n1,2\n", b"a,b\n" * 400_000):
        table.write_bytes(content)
        sent = step("upload_file", path=path, file=str(table))
        assert (sent["file_info_path"], sent["file_info_file_size"]) == (path, len(content))
    with pytest.raises(AssertionError, match="exist"):
        step("upload_file", path=path, file=str(table), overwrite=False)
    assert step("delete_file", path=path) == {"Output": True}
    assert step("delete_file", path=path) == {"Output": False}


def test_a_large_file_is_uploaded_to_a_volume_in_parts(databricks, tmp_path):
    path, size = "/Volumes/main/default/landing/large.bin", 60 * 2**20
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.truncate(size)
        for start in range(0, size, 10 * 2**20):  # each part begins with its place, the rest is a hole
            file.seek(start)
            file.write(start.to_bytes(8))
    databricks.clear_requests()
    sent = step("upload_file", path=path, file=str(large))
    parts = [one.target for one in databricks.requests() if one.method == "PUT" and "/presigned/uploads/" in one.target]
    assert sorted(target.rpartition("/")[2] for target in parts) == [str(number) for number in range(1, 7)]
    content = workspace_client("").files.download(path).contents.read()
    assert (sent["file_info_file_size"], sent["file_hash"]) == (size, hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("result", ["FAILED", "TIMEDOUT", "CANCELED", "SUCCESS_WITH_FAILURES"])
def test_only_success_is_success(databricks, result):
    databricks.set_behaviours([RunBehaviour(result=result, message="as told")])
    with pytest.raises(AssertionError, match=rf"databricks_submit_run: run \d+: {result}: .*as told.*#job/"):
        step("submit_run", notebook_task=TASK, new_cluster=MACHINE)
    assert step("submit_run", notebook_task=TASK, new_cluster=MACHINE, accepted_results=[result])["error"]


def test_a_failed_run_of_this_pipeline_run_is_run_again_and_repaired_where_asked_for(databricks):
    given = {"job_name": "etl", "pipeline_run_id": "run-1", "pipeline_task_name": "t"}
    step("create_job", job_name="etl", notebook_task=TASK, new_cluster=MACHINE)
    databricks.set_behaviours([RunBehaviour(result="FAILED")])
    with pytest.raises(AssertionError, match="FAILED"):
        step("run_job", **given)
    with pytest.raises(AssertionError, match="FAILED"):
        step("run_job", **given, max_repairs=1)
    client = workspace_client("")
    (run,) = client.jobs.list_runs()
    history = client.jobs.get_run(run.run_id, include_history=True).repair_history
    assert [item.type.value for item in history] == ["ORIGINAL", "REPAIR"]
    databricks.set_behaviours([RunBehaviour(result="SUCCESS")])
    assert step("run_job", **given)["run_id"] != str(run.run_id)


def _run_in_child(name):
    component_command("databricks_submit_run").main(
        [
            *("--notebook-task", json.dumps(TASK), "--new-cluster", json.dumps(MACHINE)),
            *("--run-name", name, "--pipeline-run-id", name),
        ]
    )


def _active(client, name):
    return [run for run in client.jobs.list_runs(active_only=True) if run.run_name.startswith(name)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_step_cancels_its_run_and_a_killed_ones_is_found_by_the_clean_up(databricks, number):
    databricks.set_behaviours([RunBehaviour(run="held*", hold="RUNNING"), RunBehaviour(run="other*", hold="RUNNING")])
    client = workspace_client("")
    processes = []
    for name in ("held", "other"):
        process = multiprocessing.get_context("fork").Process(target=_run_in_child, args=(name,))
        process.start()
        processes.append(process)
        until = time.monotonic() + 60
        while not _active(client, name):
            assert time.monotonic() < until
            time.sleep(0.05)
    held = processes[0]
    try:
        os.kill(held.pid, number)
        held.join(60)
        assert held.exitcode == (130 if number == signal.SIGTERM else -number)
        if number == signal.SIGKILL:
            assert _active(client, "held")
            assert clean_up("", "held", dry_run=True)
            (done,) = clean_up("", "held")
            assert "cancelled" in done
        assert not _active(client, "held")
        assert _active(client, "other"), "a run of another pipeline run was cancelled"
    finally:
        for process in processes:
            process.kill()
            process.join()


def test_the_clean_up_finds_runs_of_jobs_and_clusters_and_leaves_those_of_others(databricks):
    databricks.set_behaviours([RunBehaviour(hold="RUNNING")])
    client = workspace_client("")
    given = {"notebook_task": TASK, "new_cluster": MACHINE, "max_concurrent_runs": 2}
    given["parameters"] = [{"name": "kfp_azureml_run", "default": ""}]
    job = int(step("create_job", job_name="etl", **given)["job_id"])
    mine, other = (
        client.jobs.run_now(job, job_parameters={"kfp_azureml_run": run}).run_id for run in ("run-1", "run-10")
    )
    cluster = step("create_cluster", cluster_name="mine", pipeline_run_id="run-1", **MACHINE)["cluster_id"]
    step("create_cluster", cluster_name="other", pipeline_run_id="run-10", **MACHINE)

    def alive():
        clusters = [one.cluster_name for one in client.clusters.list() if one.state.value == "RUNNING"]
        return {run.run_id for run in client.jobs.list_runs(active_only=True)}, sorted(clusters)

    found = clean_up("", "run-1", dry_run=True)
    assert [line.split(":")[0] for line in found] == [f"run {mine}", f"cluster {cluster}"]
    assert alive() == ({mine, other}, ["mine", "other"])
    clean_up("", "run-1")
    assert alive() == ({other}, ["other"])
    assert clean_up("", "run-1") == []
    clean_up("", "run-10")
    assert alive() == (set(), [])


def test_credentials_are_the_suites_own(databricks, monkeypatch):
    monkeypatch.setenv("DATABRICKS_TOKEN", databricks.emulator.databricks_token)
    monkeypatch.setenv("AZ_CLIENT_SECRET", "wrong")
    workspace_client("").clusters.list()
    assert [cluster.cluster_id for cluster in workspace_client("").clusters.list()] == []
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi" + "0" * 32)
    with pytest.raises(CredentialsError, match="Databricks rejected the credentials: check DATABRICKS_TOKEN"):
        clean_up("", "run")
    monkeypatch.delenv("DATABRICKS_TOKEN")
    with pytest.raises(CredentialsError, match="AZ_CLIENT_SECRET"):
        clean_up("", "run")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"notebook_task": {"notebok_path": "/a"}}, r"tasks\[0\].notebook_task.notebok_path: unknown field"),
        ({"notebook_task": TASK, "spec": {"run_ass": {}}}, r"run.run_ass: unknown field"),
        ({}, "a run needs one of notebook_task"),
        ({"spark_jar_task": {"main_class_name": "A"}, "notebook_task": TASK}, "found notebook_task and spark_jar_task"),
        ({"notebook_task": TASK, "jar_params": ["a"]}, "jar_params: parameters of a spark_jar_task"),
        ({"notebook_task": TASK, "accepted_results": ["OK"]}, "accepted_results: OK: use some of"),
        ({"notebook_task": TASK, "existing_cluster_id": "0101-000000-none"}, "0101-000000-none"),
        ({"notebook_task": TASK, "timeout_seconds": -1}, "timeout_seconds -1"),
    ],
)
def test_a_wrong_request_names_its_field(given, message):
    with pytest.raises(AssertionError, match=message):
        step("submit_run", **given)


def test_a_host_that_is_none_is_one_line():
    for host, kind in (("http://a.azuredatabricks.net", WorkspaceError), ("https://x.y/?o=1", WorkspaceError)):
        with pytest.raises(kind, match="databricks_host: not a workspace URL"):
            workspace_client(host)
    with pytest.raises(CredentialsError, match="not one of Azure Databricks: set DATABRICKS_TOKEN"):
        workspace_client("https://dbc-1.cloud.databricks.com")
    with pytest.raises(WorkspaceError, match="no Databricks workspace: set databricks_host"):
        workspace_client("", {})
    assert issubclass(DatabricksError, KfpAzuremlError)
