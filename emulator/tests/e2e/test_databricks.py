"""The unmodified databricks-sdk against a running emulator, through its proxy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    BadRequest,
    DatabricksError,
    InvalidParameterValue,
    NotFound,
    OperationFailed,
    PermissionDenied,
    ResourceDoesNotExist,
    TooManyRequests,
)
from databricks.sdk.service import compute, jobs, workspace

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_emulator.test_control.behaviours import ClusterBehaviour, RunBehaviour
from azureml_emulator.test_control.client import Control
from azureml_emulator.test_control.faults import Answer, ExpireToken, Reset
from databricks_client import client_environment, connect, import_file, import_notebook, notebook_task, script_task
from processes import processes_of, wait_until

LIMIT = timedelta(minutes=3)
VOLUME = "/Volumes/main/default/v"


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorInfo]:
    with running_emulator(arguments=["--control"]) as emulator, client_environment(emulator):
        yield emulator


@pytest.fixture
def control(emulator: EmulatorInfo) -> Iterator[Control]:
    with Control(emulator) as control:
        control.reset()
        yield control


@pytest.fixture
def client(control: Control) -> WorkspaceClient:
    return connect()


def submit(client: WorkspaceClient, *tasks: jobs.SubmitTask, name: str = "test", token: str | None = None) -> jobs.Run:
    return client.jobs.submit(run_name=name, tasks=list(tasks), idempotency_token=token).result(timeout=LIMIT)


def result_of(run: jobs.Run) -> str:
    assert run.state
    assert run.state.result_state
    return run.state.result_state.value


def output(client: WorkspaceClient, run: jobs.Run) -> jobs.RunOutput:
    assert run.tasks
    return client.jobs.get_run_output(run.tasks[0].run_id or 0)


def test_the_client_secret_signs_in_without_further_settings(client: WorkspaceClient, control: Control) -> None:
    assert client.config.auth_type == "azure-client-secret"
    assert list(client.jobs.list()) == []
    tokens = [each for each in control.requests() if each.target.endswith("/oauth2/token")]
    assert [each.status for each in tokens] == [200, 200]


def test_a_personal_access_token_signs_in(client: WorkspaceClient, emulator: EmulatorInfo) -> None:
    by_token = connect(auth_type="pat", token=emulator.databricks_token)
    assert list(by_token.jobs.list()) == []
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        list(connect(auth_type="pat", token="dapi0").jobs.list())


def test_the_caller_is_the_application(client: WorkspaceClient, emulator: EmulatorInfo) -> None:
    assert client.current_user.me().user_name == emulator.environment["AZ_CLIENT_ID"]


def test_the_tenant_is_found_by_the_host(client: WorkspaceClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARM_TENANT_ID")
    assert list(connect(auth_type="azure-client-secret").jobs.list()) == []


def test_a_run_of_a_script_and_a_notebook(client: WorkspaceClient) -> None:
    client.secrets.create_scope("keys", scope_backend_type=workspace.ScopeBackendType.DATABRICKS)
    client.secrets.put_secret("keys", "k", string_value="geheim")
    client.files.upload(f"{VOLUME}/in.txt", BytesIO(b"7"))
    import_file(client, "/Shared/read.py", "import sys\nprint(open(sys.argv[1]).read())")
    import_notebook(
        client, "/Shared/n", "dbutils.notebook.exit(dbutils.widgets.get('a') + dbutils.secrets.get('keys', 'k'))"
    )

    run = submit(
        client,
        script_task("/Workspace/Shared/read.py", f"{VOLUME}/in.txt"),
        jobs.SubmitTask(
            task_key="next",
            notebook_task=jobs.NotebookTask("/Shared/n", base_parameters={"a": "b"}),
            depends_on=[jobs.TaskDependency("main")],
        ),
    )

    assert result_of(run) == "SUCCESS"
    assert output(client, run).logs == "7\n"
    assert run.tasks
    left = client.jobs.get_run_output(run.tasks[1].run_id or 0)
    assert left.notebook_output == jobs.NotebookOutput(result="bgeheim", truncated=False)
    with pytest.raises(InvalidParameterValue, match="each individual task run"):
        client.jobs.get_run_output(run.run_id or 0)
    with pytest.raises(BadRequest, match="within a run"):
        client.secrets.get_secret("keys", "k")


def test_the_waiter_returns_on_a_failure_and_raises_if_the_run_did_not_start(client: WorkspaceClient) -> None:
    import_file(client, "/Shared/bad.py", "raise ValueError('no images')")

    failed = submit(client, script_task("/Workspace/Shared/bad.py"))

    assert result_of(failed) == "FAILED"
    assert output(client, failed).error == "ValueError: no images"
    with pytest.raises(OperationFailed, match="INTERNAL_ERROR"):
        submit(client, script_task("/Workspace/Shared/none.py"))


def test_errors_become_the_exceptions_that_callers_know(client: WorkspaceClient) -> None:
    for call in (
        lambda: client.jobs.get_run(5),
        lambda: client.jobs.get(5),
        lambda: client.clusters.get("0101-000000-none"),
        lambda: client.workspace.get_status("/Shared/none"),
        lambda: client.secrets.delete_scope("none"),
        lambda: client.dbfs.get_status("/none"),
    ):
        with pytest.raises(ResourceDoesNotExist):
            call()
    with pytest.raises(NotFound):
        client.files.get_metadata(f"{VOLUME}/none")


def test_a_lost_answer_makes_one_run_with_a_token_and_two_without(client: WorkspaceClient, control: Control) -> None:
    import_file(client, "/Shared/ok.py", "")
    lost = Reset(method="POST", path="*/jobs/runs/submit", after_effect=True)
    for token, runs in (("t", 1), (None, 3)):
        control.set_faults([lost])
        assert result_of(submit(client, script_task("/Workspace/Shared/ok.py"), token=token)) == "SUCCESS"
        assert len(list(client.jobs.list_runs())) == runs


def test_faults_have_the_form_of_databricks(client: WorkspaceClient, control: Control) -> None:
    control.set_faults([Answer(path="*/jobs/list", status=429, times=None)])
    impatient = connect(retry_timeout_seconds=1)
    with pytest.raises((TooManyRequests, TimeoutError)):
        list(impatient.jobs.list())
    control.set_faults([Answer(path="*/jobs/list", status=403)])
    with pytest.raises(PermissionDenied, match="Injected fault"):
        list(client.jobs.list())
    control.set_faults([ExpireToken(path="*/jobs/list")])
    with pytest.raises(DatabricksError, match="expired"):
        list(client.jobs.list())


def test_forced_runs_and_clusters(client: WorkspaceClient, control: Control) -> None:
    import_file(client, "/Shared/ok.py", "")
    control.set_behaviours([RunBehaviour(run="held", hold="QUEUED"), ClusterBehaviour(cluster="bad")])

    waiting = client.jobs.submit(run_name="held", tasks=[script_task("/Workspace/Shared/ok.py")])
    with pytest.raises(TimeoutError):
        waiting.result(timeout=timedelta(seconds=2))
    cancelled = client.jobs.cancel_run(waiting.run_id).result(timeout=LIMIT)
    assert result_of(cancelled) == "CANCELED"
    cluster = compute.ClusterSpec(spark_version="16.4.x-scala2.12", cluster_name="bad")
    with pytest.raises(OperationFailed, match="Cluster could not start"):
        submit(client, script_task("/Workspace/Shared/ok.py", new_cluster=cluster))


def test_a_large_file_goes_in_parts_and_comes_back(client: WorkspaceClient, control: Control) -> None:
    content = os.urandom(60_000_000)

    client.files.upload(f"{VOLUME}/large.bin", BytesIO(content), overwrite=True)

    assert client.files.download(f"{VOLUME}/large.bin").contents.read() == content  # type: ignore[union-attr]
    parts = [each for each in control.requests() if each.method == "PUT" and "/presigned/uploads/" in each.target]
    assert len(parts) > 1


def test_items_files_and_clusters_in_the_clients_own_ways(client: WorkspaceClient) -> None:
    import_notebook(client, "/Shared/n", "print(1)")
    assert [item.path for item in client.workspace.list("/Shared")] == ["/Shared/n"]
    client.workspace.delete("/Shared/n")
    with client.dbfs.open("/tmp/x", write=True, overwrite=True) as file:
        file.write(b"x" * 1_500_000)
    with client.dbfs.open("/tmp/x", read=True) as file:
        assert len(file.read()) == 1_500_000
    client.dbfs.delete("/tmp/x")
    cluster = client.clusters.create_and_wait(spark_version="16.4.x-scala2.12", cluster_name="c", num_workers=1)
    assert [each.cluster_name for each in client.clusters.list()] == ["c"]
    assert cluster.cluster_id
    client.clusters.delete_and_wait(cluster.cluster_id)
    client.clusters.permanent_delete(cluster.cluster_id)
    job = client.jobs.create(name="j", tasks=[jobs.Task(task_key="n", notebook_task=jobs.NotebookTask("/Shared/none"))])
    assert [each.settings.name for each in client.jobs.list() if each.settings] == ["j"]
    client.jobs.delete(job.job_id or 0)


def test_a_job_is_changed_run_repaired_and_forgotten(client: WorkspaceClient) -> None:
    import_file(client, "/Shared/job.py", "import sys\nprint(sys.argv[1])\nraise ValueError('not yet')")
    python = jobs.SparkPythonTask("/Workspace/Shared/job.py", parameters=["{{job.parameters.day}}"])
    job = client.jobs.create(
        name="j",
        tasks=[jobs.Task(task_key="main", spark_python_task=python)],
        parameters=[jobs.JobParameterDefinition("day", "monday")],
    )
    job_id = job.job_id or 0
    client.jobs.update(job_id, new_settings=jobs.JobSettings(name="renamed"))
    failed = client.jobs.run_now(job_id, job_parameters={"day": "friday"}).result(timeout=LIMIT)
    assert (result_of(failed), failed.run_name) == ("FAILED", "renamed")

    import_file(client, "/Shared/job.py", "import sys\nprint(sys.argv[1])")
    run_id = failed.run_id or 0
    repaired = client.jobs.repair_run(run_id, rerun_all_failed_tasks=True).result(timeout=LIMIT)

    assert result_of(repaired) == "SUCCESS"
    assert repaired.tasks
    assert client.jobs.get_run_output(repaired.tasks[-1].run_id or 0).logs == "friday\n"
    client.jobs.cancel_all_runs(job_id=job_id)
    client.jobs.delete_run(run_id)
    assert list(client.jobs.list_runs(job_id=job_id)) == []
    client.jobs.reset(job_id, new_settings=jobs.JobSettings(name="empty"))
    settings = client.jobs.get(job_id).settings
    assert settings
    assert (settings.name, settings.tasks, settings.max_concurrent_runs) == ("empty", [], 1)


def test_what_is_left_of_secrets_items_and_folders(client: WorkspaceClient) -> None:
    client.secrets.create_scope("s")
    client.secrets.put_secret("s", "k", bytes_value="Z2VoZWlt")
    assert [scope.name for scope in client.secrets.list_scopes()] == ["s"]
    assert [secret.key for secret in client.secrets.list_secrets("s")] == ["k"]
    client.secrets.delete_secret("s", "k")
    client.workspace.mkdirs("/Shared/a/b")
    import_file(client, "/Shared/a/b/x.txt", "text")
    with client.workspace.download("/Shared/a/b/x.txt") as file:
        assert file.read() == b"text"
    client.workspace.delete("/Shared/a", recursive=True)
    client.files.create_directory(f"{VOLUME}/a/b")
    client.files.get_directory_metadata(f"{VOLUME}/a/b")
    assert [entry.name for entry in client.files.list_directory_contents(f"{VOLUME}/a")] == ["b"]
    client.files.delete_directory(f"{VOLUME}/a/b")
    client.files.upload(f"{VOLUME}/x", BytesIO(b"x"))
    client.files.delete(f"{VOLUME}/x")
    client.dbfs.mkdirs("/a")
    client.dbfs.put("/a/x", contents="eA==")
    assert [entry.path for entry in client.dbfs.list("/a")] == ["/a/x"]


def test_a_run_is_lost_with_its_emulator_and_leaves_no_process(tmp_path: Path) -> None:
    with running_emulator(tmp_path) as emulator, client_environment(emulator):
        client = connect()
        import_file(client, "/Shared/slow.py", "import time\ntime.sleep(600)")
        import_notebook(client, "/Shared/kept", "dbutils.notebook.exit('kept')")
        submitted = client.jobs.submit(run_name="slow", tasks=[script_task("/Workspace/Shared/slow.py")])
        folder = tmp_path / "databricks" / "running"
        wait_until(lambda: processes_of(folder))
        os.kill(emulator.pid, 9)
        wait_until(lambda: not processes_of(folder))

    with running_emulator(tmp_path) as emulator, client_environment(emulator):
        client = connect()
        run = client.jobs.get_run(submitted.run_id)
        assert run.state
        assert run.state.life_cycle_state is jobs.RunLifeCycleState.INTERNAL_ERROR
        assert run.state.state_message == "The driver was lost: the emulator was stopped during the run."
        kept = output(client, submit(client, notebook_task("/Shared/kept")))
        assert kept.notebook_output == jobs.NotebookOutput(result="kept", truncated=False)
