"""The reason that `submit` ends with: the step's own error, from whichever place has it."""

import socket
from typing import Any

import pytest

from kfp_azureml.kubeflow import bounded_requests, run_failure
from kfp_azureml.kubeflow.connection import Connection
from kubeflow_api import Fault, KubeflowApi, shows, task
from kubeflow_rows import driver_pod, executor_pod, node_name, workflow_rows
from kubernetes_api import KubernetesApi
from submissions import told_of_a_failure

OWN = "train: data/x: no such file"
LOG = f"INFO reading\n{OWN}\nINFO what was printed before\n"
LAUNCHER = "F1127 20:59:28.000002      21 main.go:57] failed to execute component: exit status 1\n"
FAILED = shows(
    "FAILED",
    *workflow_rows("FAILED", aml_preflight="SUCCEEDED", prep="SUCCEEDED", train="FAILED", aml_reconcile="FAILED"),
)
ARTIFACT = "train/58cc70ef/executor-logs-0"


@pytest.fixture
def failed(kubeflow: KubeflowApi) -> KubeflowApi:
    kubeflow.script = [shows("RUNNING", *workflow_rows("RUNNING", aml_preflight="RUNNING")), FAILED]
    return kubeflow


def reason(api: KubeflowApi, connection: Connection | None = None) -> str:
    return str(told_of_a_failure(api, connection)[1])


def use_pages(api: KubeflowApi, **artifacts: str) -> None:
    api.pages = True
    api.artifacts = artifacts


def use_cluster(monkeypatch: pytest.MonkeyPatch, kubeflow: KubeflowApi, cluster: KubernetesApi, log: str) -> None:
    """Put the pod of a run's step into a cluster as soon as the run is there."""
    create = kubeflow._create_run

    def created(body: dict[str, Any]) -> dict[str, Any]:
        made = create(body)
        pod = executor_pod("train", retries=False)
        cluster.add_pod(pod, made["run_id"], node_name("train"), log)
        cluster.add_pod("other", made["run_id"], node_name("prep"), "train: not this one")
        cluster.add_pod("older", "another-run", node_name("train"), "train: nor this one")
        nodes = {
            node_name("train").removesuffix("(0)"): "No more retries left",
            node_name("train"): "OOMKilled (exit 137)",
        }
        cluster.add_workflow("wf", made["run_id"], nodes)
        return made

    monkeypatch.setattr(kubeflow, "_create_run", created)


def test_the_executors_log_has_it(failed: KubeflowApi) -> None:
    use_pages(failed, **{ARTIFACT: LOG, "prep/1/executor-logs-0": "train: not this one", "train/1/model": "x"})
    assert reason(failed) == OWN


def test_the_last_attempts_log_comes_first(failed: KubeflowApi) -> None:
    use_pages(failed, **{ARTIFACT: "train: the first", "train/58cc70ef/executor-logs-1": "train: the second"})
    assert reason(failed) == "train: the second"


def test_the_pages_of_several_users_are_asked_with_a_namespace_and_a_cookie(failed: KubeflowApi) -> None:
    use_pages(failed, **{ARTIFACT: LOG})
    failed.multi_user, failed.cookie = True, "session=1"
    assert reason(failed, Connection(host=failed.url, namespace="ada", cookie="session=1")) == OWN


@pytest.mark.parametrize("pages", [True, False])
@pytest.mark.parametrize("retries", [True, False])
def test_the_pods_log_has_it_by_way_of_kubeflow(failed: KubeflowApi, retries: bool, pages: bool) -> None:
    failed.pages = pages
    failed.pod_logs[executor_pod("train", retries=retries)] = LOG + LAUNCHER
    assert reason(failed) == OWN


def test_the_pods_log_has_it_in_the_cluster(
    failed: KubeflowApi, cluster: KubernetesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cluster(monkeypatch, failed, cluster, LOG + LAUNCHER)
    assert reason(failed) == OWN


def test_argos_message_comes_last(failed: KubeflowApi, cluster: KubernetesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    use_cluster(monkeypatch, failed, cluster, "epoch 3/10\n" + LAUNCHER)
    assert reason(failed) == "train: OOMKilled (exit 137); its log ends with: epoch 3/10"


@pytest.mark.parametrize("verbs", [("list",), ("get",), ("list", "get")])
def test_a_cluster_that_may_not_be_read_is_passed_over(
    failed: KubeflowApi, cluster: KubernetesApi, monkeypatch: pytest.MonkeyPatch, verbs: tuple[str, ...]
) -> None:
    use_cluster(monkeypatch, failed, cluster, LOG)
    cluster.forbidden = verbs
    assert reason(failed).startswith("train: failed" if "list" in verbs else "train: OOMKilled")


def test_a_driver_that_failed_is_its_steps_failure(kubeflow: KubeflowApi) -> None:
    rows = workflow_rows("FAILED", drivers={"train": "FAILED"}, prep="SUCCEEDED", aml_reconcile="SUCCEEDED")
    kubeflow.script = [shows("FAILED", *rows)]
    line = "F1127 20:59:28.000002      21 main.go:79] KFP driver: driver.Container failed: no such secret"
    kubeflow.pod_logs[driver_pod("train")] = f"I1127 20:59:27.000002      21 main.go:70] begins\n{line}\n"
    assert reason(kubeflow) == "train: KFP driver: driver.Container failed: no such secret"


ERROR = {"code": 2, "message": "main: Error\n(exit code 1)"}


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (shows("FAILED", task("train", "FAILED", 3, error=ERROR)), "train: main: Error (exit code 1)"),
        (
            shows("FAILED", task("train", "FAILED", 3, state_history=[{"state": "FAILED", "error": ERROR}])),
            "train: main: Error (exit code 1)",
        ),
        (
            shows(
                "FAILED",
                task("train", "FAILED", 3, child_tasks=[{"task_id": "executor-id"}]),
                task("executor", "FAILED", 3, error=ERROR),
            ),
            "train: main: Error (exit code 1)",
        ),
        (
            shows("FAILED", task("train", "FAILED", 3), task("x", "FAILED", error=ERROR, parent_task_id="train-id")),
            "train: main: Error (exit code 1)",
        ),
        (shows("FAILED", task("train", "FAILED", 3)), "train: failed; no readable log found: see its Logs in the UI"),
        (
            shows("FAILED", task("prep", "FAILED", 9, error={"message": "x"}), task("train", "FAILED", 3, error=ERROR)),
            "train: main: Error (exit code 1)",
        ),
        (shows("FAILED", task("loop-1-driver", "FAILED", error=ERROR)), "loop-1-driver: main: Error (exit code 1)"),
        (shows("FAILED", task("odd\x1b[2J\nrow", "FAILED", error=ERROR)), "odd row: main: Error (exit code 1)"),
        (shows("FAILED", error="no quota"), "no quota"),
        (shows("FAILED", {"state": "FAILED"}, {"task_id": None, "display_name": None}), "failed on Kubeflow"),
        (shows("FAILED"), "failed on Kubeflow"),
    ],
)
def test_without_a_log_it_is_what_the_run_says(kubeflow: KubeflowApi, run: dict, said: str) -> None:
    kubeflow.script = [shows("RUNNING"), run]
    assert reason(kubeflow).endswith(said)


@pytest.mark.parametrize(
    "log",
    [
        LOG.encode() + b"\xff\xfe\x00\n",
        b"\x1b[31m" * 100_000 + b"\n" + LOG.encode(),
        b"x" * (3 * bounded_requests.KEPT_BYTES) + b"\n" + LOG.encode(),
    ],
    ids=["binary", "colours", "huge"],
)
def test_a_log_may_be_anything(failed: KubeflowApi, log: bytes) -> None:
    failed.pod_logs[executor_pod("train")] = log
    assert reason(failed) == OWN


def test_a_very_long_error_is_cut(failed: KubeflowApi) -> None:
    failed.pod_logs[executor_pod("train")] = f"train: {'x' * 10**5}"
    assert len(reason(failed)) < 1100


@pytest.mark.parametrize(
    "fault",
    [Fault(), Fault(404), Fault(403, "no"), Fault(500), Fault(200, html=True), Fault(302, location="/dex")],
)
def test_places_that_fail_are_passed_over(failed: KubeflowApi, fault: Fault) -> None:
    asked = ["GetContextByTypeAndName", "GetArtifactsByContext"]
    use_pages(failed, **{ARTIFACT: LOG})
    failed.pod_logs[executor_pod("train")] = LOG
    for method in asked:
        failed.faults[f"POST /ml_metadata.MetadataStoreService/{method}"] = [fault]
    assert reason(failed) == OWN
    failed.faults["GET /artifacts/get"] = [fault]
    assert reason(failed) == OWN
    assert all(f"POST /ml_metadata.MetadataStoreService/{method}" in failed.requests for method in asked)


def test_places_that_do_not_answer_are_passed_over(failed: KubeflowApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_requests, "REQUEST_SECONDS", (0.2, 0.2))
    use_pages(failed, **{ARTIFACT: LOG})
    failed.pod_logs[executor_pod("train")] = LOG
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(bounded_requests.BoundedRequests, "address", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert reason(failed) == "train: failed; no readable log found: see its Logs in the UI"


def test_the_search_ends(failed: KubeflowApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_failure, "SEARCH_SECONDS", 0.0)
    use_pages(failed, **{ARTIFACT: "nothing of use"})
    failed.pod_logs[executor_pod("train")] = LOG
    assert reason(failed) == "train: its log ends with: nothing of use"
