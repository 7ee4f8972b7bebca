"""Finding what runs left unfinished, and undoing what was asked for and nothing else."""

import logging

import pytest
from azure.ai.ml.entities import ManagedOnlineEndpoint
from azure.core.exceptions import ServiceRequestError
from click.testing import CliRunner
from kfp import dsl

from azure_errors import arm_error, response_error
from azure_manager import manage
from azure_workspace import Workspace, deployment
from clock import Clock
from kfp_azureml.azureml import retries, waiting
from kfp_azureml.azureml import workspace as workspace_module
from kfp_azureml.azureml.rollout.marker import DEPLOYMENT, Marker, read_markers
from kfp_azureml.azureml.workspace_name import WorkspaceName
from kfp_azureml.engines.identity import Identity
from kfp_azureml.runtime.errors import DeploymentError, KubeflowError, PipelineError, WorkspaceError
from kfp_azureml.steps.aml_reconcile import reconcile as reconcile_module
from kfp_azureml.steps.aml_reconcile.command import reconcile_command
from kfp_azureml.steps.aml_reconcile.component import aml_reconcile
from kfp_azureml.steps.aml_reconcile.reconcile import find_leftovers
from kubernetes_api import write_kubeconfig
from kubernetes_workloads import NAMESPACE, running_workloads

NOW = 1_800_000_000
HOUR = 3600
WORKSPACE = WorkspaceName("rg", "ws", "s")


@pytest.fixture
def azure(monkeypatch):
    manage(monkeypatch)
    clock = Clock().pass_in(monkeypatch, reconcile_module, waiting, retries)
    clock.now = NOW
    azure = Workspace(clock)
    monkeypatch.setattr(workspace_module, "workspace_client", lambda *_names: azure)
    return azure


def reconcile(**asked):
    return reconcile_module.reconcile(**{"workspace": WORKSPACE, "timeout_seconds": 1800} | asked)


def unfinished(azure, endpoint_name, run_id, hours, name="green"):
    """Have a roll-out that got half of the traffic."""
    marker = Marker(name, run_id, {"blue": 100}, (DEPLOYMENT,), NOW - int(hours * HOUR))
    if azure.has_endpoint(endpoint_name):
        azure.endpoint(endpoint_name).tags[marker.tag] = marker.value
        azure.add_deployment(endpoint_name, deployment(name))
        return marker
    traffic = {"blue": 50, name: 50}
    azure.add(
        ManagedOnlineEndpoint(name=endpoint_name, tags={marker.tag: marker.value}, traffic=traffic),
        deployment("blue"),
        deployment(name),
    )
    return marker


@pytest.fixture
def four(azure):
    """Two runs, three endpoints, four roll-outs."""
    unfinished(azure, "first", "run-1", 1)
    unfinished(azure, "second", "run-1", 30)
    unfinished(azure, "third", "run-2", 5)
    unfinished(azure, "third", "run-3", 7, "teal")
    azure.add(ManagedOnlineEndpoint(name="sound", tags={"owner": "shop"}))
    return azure


def left(azure):
    return {
        (name, marker.deployment)
        for name in ("first", "second", "third")
        for marker in read_markers(azure.endpoint(name).tags)
    }


ALL = {("first", "green"), ("second", "green"), ("third", "green"), ("third", "teal")}


@pytest.mark.parametrize(
    ("asked", "undone"),
    [
        ({"run_id": "run-1"}, {("first", "green"), ("second", "green")}),
        ({"run_id": "run-2"}, {("third", "green")}),
        ({"run_id": "run-"}, set()),
        ({"endpoint_name": "third"}, {("third", "green"), ("third", "teal")}),
        ({"endpoint_name": "sound"}, set()),
        ({"older_than_hours": 6}, {("second", "green"), ("third", "teal")}),
        ({"older_than_hours": 5}, {("second", "green"), ("third", "green"), ("third", "teal")}),
        ({"older_than_hours": 0}, ALL),
        ({"run_id": "run-1", "older_than_hours": 6}, {("second", "green")}),
        ({"run_id": "run-1", "endpoint_name": "third"}, set()),
        ({"endpoint_name": "third", "older_than_hours": 6}, {("third", "teal")}),
    ],
)
def test_exactly_what_was_asked_for_is_undone(four, asked, undone):
    reconcile(**asked)
    assert left(four) == ALL - undone
    for name, made in ALL:
        assert (made in four.deployments(name)) == ((name, made) not in undone)


def test_what_was_done_is_said_in_words_the_oldest_first(four, caplog):
    caplog.set_level(logging.INFO)
    assert reconcile(run_id="run-1") == [
        "endpoint second: traffic rolled back: blue 100 %",
        "deployment green of endpoint second: deleted",
        "endpoint first: traffic rolled back: blue 100 %",
        "deployment green of endpoint first: deleted",
    ]
    assert caplog.messages[0] == (
        "endpoint second: unfinished rollout of green by run run-1, 30.0 h old; traffic before: blue 100 %"
    )


def test_a_dry_run_only_says_what_is_unfinished(four):
    assert reconcile(older_than_hours=0, dry_run=True) == [
        "endpoint second: unfinished rollout of green by run run-1, 30.0 h old; traffic before: blue 100 %",
        "endpoint third: unfinished rollout of teal by run run-3, 7.0 h old; traffic before: blue 100 %",
        "endpoint third: unfinished rollout of green by run run-2, 5.0 h old; traffic before: blue 100 %",
        "endpoint first: unfinished rollout of green by run run-1, 1.0 h old; traffic before: blue 100 %",
    ]
    assert four.writes == []


def test_nothing_unfinished_is_said_too(azure, caplog):
    caplog.set_level(logging.INFO)
    assert reconcile(run_id="run-1") == []
    assert caplog.messages == ["no unfinished rollouts"]


def test_it_has_to_be_said_what_to_undo(four):
    with pytest.raises(PipelineError, match="no filter set: set run_id, endpoint_name or older_than_hours"):
        reconcile()
    assert four.writes == []


def test_after_a_failure_the_rest_is_undone_all_the_same_and_it_fails(four, caplog):
    caplog.set_level(logging.INFO)

    def refuse(write):
        if write.name == "second":
            raise response_error(400, arm_error("Odd", "no"))

    four.before = refuse
    with pytest.raises(DeploymentError, match=r"endpoint second: .*Odd: no"):
        reconcile(older_than_hours=0)
    assert left(four) == {("second", "green")}
    assert "Odd: no" in caplog.text


def test_the_stated_time_is_for_all_of_it(four):
    four.seconds = 200
    with pytest.raises(DeploymentError, match="still InProgress"):
        reconcile(older_than_hours=0, timeout_seconds=500)
    assert four.clock.now - NOW < 600


def test_endpoints_that_azure_does_not_list_are_an_error_in_words(azure, monkeypatch):
    def unreachable():
        raise ServiceRequestError("no route to host")

    monkeypatch.setattr(azure.online_endpoints, "list", unreachable)
    with pytest.raises(WorkspaceError, match="listing the online endpoints: Azure cannot be reached"):
        reconcile(run_id="run-1")


def test_leftovers_are_found_on_all_endpoints(four):
    found = [(leftover.endpoint, leftover.marker.deployment) for leftover in find_leftovers(four)]
    assert found == [("second", "green"), ("third", "teal"), ("third", "green"), ("first", "green")]


@pytest.mark.parametrize(
    ("options", "status", "undone"),
    [
        (["--run-id", "run-2"], 0, {("third", "green")}),
        (["--run-id", "run-2", "--dry-run"], 0, set()),
        (["--older-than-hours", "6", "--endpoint-name", "third"], 0, {("third", "teal")}),
        (["--older-than-hours", "0"], 0, ALL),
        (["--older-than-hours", "-1"], 2, set()),
        ([], 1, set()),
    ],
)
def test_the_command_does_the_same(four, options, status, undone):
    names = ["--resource-group", "rg", "--workspace", "ws", "--subscription-id", "s"]
    assert CliRunner().invoke(reconcile_command, [*names, *options]).exit_code == status
    assert left(four) == ALL - undone


def test_the_task_says_what_was_undone(four, tmp_path):
    summary = dsl.Markdown("summary", str(tmp_path / "summary.md"))
    aml_reconcile.python_func(summary, "run-2")
    assert (tmp_path / "summary.md").read_text() == (
        "- `endpoint third: traffic rolled back: blue 100 %`\n- `deployment green of endpoint third: deleted`\n"
    )
    aml_reconcile.python_func(summary, "run-2")
    assert (tmp_path / "summary.md").read_text() == "No unfinished rollouts.\n"


def test_the_task_of_a_run_without_an_id_undoes_nothing(four, tmp_path, capsys):
    with pytest.raises(SystemExit):
        aml_reconcile.python_func(dsl.Markdown("summary", str(tmp_path / "summary.md")), "")
    assert "set run_id" in capsys.readouterr().err
    assert four.writes == []


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0.0)
    with running_workloads() as workloads:
        path = write_kubeconfig(tmp_path / "kubeconfig", workloads.url, NAMESPACE)
        monkeypatch.setenv("KUBECONFIG", str(path))
        metadata = {**Identity("run-1", "train", {}).metadata("train-1", 0), "uid": "u"}
        workloads.jobs["train-1"] = {"metadata": metadata, "spec": {}}
        yield workloads


def test_train_jobs_are_deleted_before_azure_is_asked(cluster):
    def nobody(*_names):
        raise WorkspaceError("no answer from Azure")

    with pytest.raises(WorkspaceError), reconcile_module.train_jobs_deleted("run-1") as done:
        assert done == ["TrainJob team/train-1 deleted"]
        assert cluster.jobs == {}
        nobody()


def test_what_kubernetes_refuses_does_not_keep_a_rollout_from_its_cleanup(cluster):
    cluster.no_rights = {"delete trainjobs"}
    reached = []
    with pytest.raises(KubeflowError, match="could not be deleted"), reconcile_module.train_jobs_deleted("run-1"):
        reached.append(True)
    assert reached


def test_without_train_jobs_no_cluster_is_looked_for(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with reconcile_module.train_jobs_deleted("") as done:
        assert done == []


def test_the_command_deletes_a_runs_train_jobs_in_a_namespace(cluster):
    command = ["--train-jobs", NAMESPACE, "--run-id", "run-1"]
    assert CliRunner().invoke(reconcile_command, [*command, "--dry-run"], catch_exceptions=False).exit_code == 0
    assert cluster.jobs
    assert CliRunner().invoke(reconcile_command, command, catch_exceptions=False).exit_code == 0
    assert cluster.jobs == {}
