"""The scenarios on Databricks: each component that changes something, from a workspace with what it needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from azureml_emulator.test_control.behaviours import RunBehaviour
from kfp_azureml.databricks.workspace import workspace_client
from kfp_azureml.steps.command import component_command

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from scenarios import World

NOTEBOOK, FILE, SCOPE = "/Workspace/Shared/notebook", "/Volumes/main/default/landing/file.txt", "scope"
RUN = ("--pipeline-run-id", "run-1", "--pipeline-task-name", "task")
TASK = {"notebook_path": NOTEBOOK}
MACHINE = {"spark_version": "16.4.x-scala2.12", "node_type_id": "Standard_D4ds_v5", "num_workers": 1}
JOB = [
    *("--job-name", "etl", "--notebook-task", json.dumps(TASK), "--new-cluster", json.dumps(MACHINE)),
    *("--parameters", json.dumps([{"name": "kfp_azureml_run", "default": ""}])),
]
CLUSTER = [word for name, value in MACHINE.items() for word in (f"--{name.replace('_', '-')}", str(value))]
ITEM = ["--path", NOTEBOOK, "--content", "cHJpbnQoMSk=", "--language", "PYTHON"]
SUBMIT = ["--run-name", "run", "--notebook-task", json.dumps(TASK), "--new-cluster", json.dumps(MACHINE), *RUN]

Check = Callable[["WorkspaceClient", bool], None]


def databricks_scenarios(made: Callable[..., Any]) -> dict[str, Any]:
    """Return the scenarios by name.

    Args:
        made: The class of a scenario.
    """

    def scenario(
        name: str, arguments: Sequence[str] | Callable[[], list[str]], check: Check, **before: Sequence[str]
    ) -> Any:
        return _made(made, name, arguments, check, **before)

    return {
        "databricks submit_run": scenario("submit_run", SUBMIT, _check_runs),
        "databricks run_job": scenario("run_job", ["--job-name", "etl", *RUN], _check_runs, create_job=JOB),
        "databricks create_job": scenario("create_job", JOB, _check_jobs),
        "databricks create_cluster": scenario(
            "create_cluster", ["--cluster-name", "c", *CLUSTER, *RUN], _check_clusters
        ),
        "databricks create_secret_scope": scenario(
            "create_secret_scope",
            [
                *("--scope-name", SCOPE, "--secrets", json.dumps({"key": "AZ_TENANT_ID"})),
                *("--acls", json.dumps([{"principal": "users", "permission": "READ"}])),
            ],
            _check_scopes,
        ),
        "databricks import_workspace_item": scenario(
            "import_workspace_item",
            ITEM,
            _check_item,
        ),
        "databricks upload_file": scenario("upload_file", ["--path", FILE, "--data", "aGVsbG8="], _check_file),
        "databricks delete_job": scenario("delete_job", ["--job-name", "etl"], _check_no_job, create_job=JOB),
        "databricks delete_secret_scope": scenario(
            "delete_secret_scope",
            ["--scope-name", SCOPE],
            lambda client, succeeded: _absent(succeeded, [scope.name for scope in client.secrets.list_scopes()]),
            create_secret_scope=["--scope-name", SCOPE],
        ),
        "databricks delete_file": scenario(
            "delete_file",
            ["--path", FILE],
            lambda client, succeeded: _absent(succeeded, _files(client)),
            upload_file=["--path", FILE, "--data", "aGVsbG8="],
        ),
        "databricks delete_run": scenario(
            "delete_run",
            lambda: ["--run-id", *(str(run.run_id) for run in workspace_client("").jobs.list_runs())],
            lambda client, succeeded: _absent(succeeded, list(client.jobs.list_runs())),
            submit_run=SUBMIT,
        ),
        "databricks delete_cluster": scenario(
            "delete_cluster",
            ["--cluster-name", "c"],
            lambda client, succeeded: _absent(succeeded, _alive(client)),
            create_cluster=["--cluster-name", "c", *CLUSTER],
        ),
        "databricks delete_workspace_item": scenario(
            "delete_workspace_item",
            ["--path", NOTEBOOK],
            lambda client, succeeded: _absent(succeeded, _items(client)),
            import_workspace_item=ITEM,
        ),
    }


def _made(
    made: Callable[..., Any],
    name: str,
    arguments: Sequence[str] | Callable[[], list[str]],
    check: Check,
    **before: Sequence[str],
) -> Any:
    """Return the scenario of a component, after calls of others, on whose results its arguments may depend."""
    from running import run

    words: list[str] = []

    def prepare(world: World) -> None:
        world.control.set_behaviours([RunBehaviour(result="SUCCESS")])
        for other, given in before.items():
            outcome = run(_command(other), [*given, "--outputs", str(world.outputs)])
            assert outcome.succeeded, outcome.printed
        words[:] = arguments() if callable(arguments) else arguments

    return made(
        _command(name),
        lambda world: [*words, "--outputs", str(world.outputs)],
        prepare,
        lambda _world, succeeded: check(workspace_client(""), succeeded),
        moves_traffic=False,
    )


def _command(name: str) -> Any:
    return component_command(f"databricks_{name}")


def _check_runs(client: WorkspaceClient, succeeded: bool) -> None:
    runs = list(client.jobs.list_runs())
    assert len(runs) in ((1,) if succeeded else (0, 1)), [run.run_name for run in runs]


def _check_jobs(client: WorkspaceClient, succeeded: bool) -> None:
    jobs = list(client.jobs.list(name="etl"))
    assert len(jobs) in ((1,) if succeeded else (0, 1))


def _check_no_job(client: WorkspaceClient, succeeded: bool) -> None:
    _absent(succeeded, list(client.jobs.list(name="etl")))


def _check_clusters(client: WorkspaceClient, succeeded: bool) -> None:
    assert len(_alive(client)) in ((1,) if succeeded else (0, 1))


def _alive(client: WorkspaceClient) -> list[str | None]:
    clusters = client.clusters.list()
    return [one.cluster_name for one in clusters if one.state and one.state.value in ("RUNNING", "PENDING")]


def _check_scopes(client: WorkspaceClient, succeeded: bool) -> None:
    if succeeded:
        assert [secret.key for secret in client.secrets.list_secrets(SCOPE)] == ["key"]
        assert [acl.principal for acl in client.secrets.list_acls(SCOPE)] == ["users"]


def _check_item(client: WorkspaceClient, succeeded: bool) -> None:
    if succeeded:
        assert client.workspace.get_status(NOTEBOOK).object_type


def _check_file(client: WorkspaceClient, succeeded: bool) -> None:
    assert _files(client) in ([[FILE]] if succeeded else [[], [FILE]])
    if succeeded:
        contents = client.files.download(FILE).contents
        assert contents is not None
        assert contents.read() == b"hello"


def _files(client: WorkspaceClient) -> list[str | None]:
    from databricks.sdk.errors import NotFound

    try:
        return [entry.path for entry in client.files.list_directory_contents(FILE.rpartition("/")[0])]
    except NotFound:
        return []


def _items(client: WorkspaceClient) -> list[str | None]:
    return [item.path for item in client.workspace.list(NOTEBOOK.rpartition("/")[0])]


def _absent(succeeded: bool, found: list[Any]) -> None:
    assert not (succeeded and found), found
