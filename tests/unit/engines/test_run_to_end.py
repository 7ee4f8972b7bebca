"""A TrainJob from creation to its end, against a double of the Kubernetes API."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from kfp_azureml.engines import follow as follow_module
from kfp_azureml.engines.api import Api
from kfp_azureml.engines.follow import LimitError, Limits
from kfp_azureml.engines.identity import MANAGED_BY, OURS, Identity
from kfp_azureml.engines.run_to_end import run_to_end
from kfp_azureml.engines.train_job import TRAIN_JOB
from kfp_azureml.runtime.cancellation import cancellable
from kfp_azureml.runtime.errors import CancelledError, KubeflowError
from kubernetes_workloads import Workloads, not_found, refusal, status
from train_jobs import SPEC

IDENTITY = Identity("run-1", "train", {"epochs": 1})
NAME = IDENTITY.name("train", 0)
LONG = Limits(60, 60)


def run(api: Api, limits: Limits = LONG, identity: Identity = IDENTITY) -> str:
    return run_to_end(api, TRAIN_JOB, SPEC, identity, limits)


def ends(cluster: Workloads, condition: str = "Complete", message: str = "") -> Callable[[dict[str, Any]], None]:
    """Return what creates the pods of a new job and ends it."""

    def end(job: dict[str, Any]) -> None:
        name = job["metadata"]["name"]
        phase = "Succeeded" if condition == "Complete" else "Failed"
        cluster.add_pods(name, 2, phase)
        cluster.set_state(name, condition, message)

    return end


def test_a_job_is_created_with_its_labels_and_followed(
    api: Api, cluster: Workloads, log: pytest.LogCaptureFixture
) -> None:
    pods = []

    def start() -> None:
        pods.extend(cluster.add_pods(NAME, 2, "Pending"))
        cluster.set_state(NAME)

    def all_run() -> None:
        for pod in pods:
            pod["status"]["phase"] = "Running"
        cluster.set_state(NAME, ready=True)

    cluster.on_read = [start, all_run, lambda: cluster.set_state(NAME, "Complete")]
    assert run(api) == NAME
    job = cluster.jobs[NAME]
    assert job["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "kfp-azureml",
        "kfp-azureml/run": "run-1",
        "kfp-azureml/request": job["metadata"]["labels"]["kfp-azureml/request"],
    }
    assert job["metadata"]["annotations"] == {"kfp-azureml/task": "train", "kfp-azureml/attempt": "0"}
    assert job["spec"] == SPEC
    assert [line.partition(" elapsed")[0].rpartition(",")[0] for line in log.messages if "elapsed" in line] == [
        f"TrainJob team/{NAME}: waiting, 0 of 2 pods running",
        f"TrainJob team/{NAME}: running",
        f"TrainJob team/{NAME}: succeeded",
    ]


def test_the_logs_of_all_workers_are_copied_once_each_line(
    api: Api, cluster: Workloads, log: pytest.LogCaptureFixture
) -> None:
    def line(second: int, text: str) -> str:
        return f"2026-01-01T00:00:{second:02}.123456789Z {text}"

    def start() -> None:
        first, second = (pod["metadata"]["name"] for pod in cluster.add_pods(NAME, 2))
        cluster.logs[first] = [line(1, "epoch 1/2"), line(1, "epoch 1/2")]
        cluster.logs[second] = [line(1, "\x1b[31mred\x1b[0m")]
        cluster.set_state(NAME, ready=True)

    def more() -> None:
        cluster.logs[f"{NAME}-node-0-0-0abcd"] += [line(1, "same second"), line(2, "epoch 2/2")]

    cluster.on_read = [start, lambda: None, more, lambda: cluster.set_state(NAME, "Complete")]
    run(api)
    assert [text for text in log.messages if text.startswith("worker")] == [
        *("worker 0: epoch 1/2", "worker 1: red"),
        *("worker 0: same second", "worker 0: epoch 2/2"),
    ]


def test_a_program_cannot_hide_its_later_lines(api: Api, cluster: Workloads, log: pytest.LogCaptureFixture) -> None:
    """Some characters end lines in Python only: what follows them has no stamp of the server."""

    def start(job: dict[str, Any]) -> None:
        ends(cluster)(job)
        cluster.logs[f"{NAME}-node-0-0-0abcd"] = [
            *(f"2026-01-01T00:00:01Z {end!r}{end}2099-01-01T00:00:00Z late" for end in "\r\v\f\x1c\x85\u2028"),
            "2026-01-01T00:00:02Z epoch 1/2",
        ]

    cluster.on_create = start
    run(api)
    assert "worker 0: epoch 1/2" in log.messages


def test_a_log_larger_than_one_answer_is_copied_in_pieces(
    api: Api, cluster: Workloads, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kfp_azureml.engines import pod_logs

    monkeypatch.setattr(pod_logs, "MOST_BYTES", 100)

    def start(job: dict[str, Any]) -> None:
        ends(cluster)(job)
        stamps = [f"2026-01-01T00:00:{number:02}Z line {number}" for number in range(20)]
        flood = [f"2026-01-01T00:01:00.{number:03}Z flood {number}" for number in range(9)]
        cluster.logs[f"{NAME}-node-0-0-0abcd"] = [*stamps, *flood, "2026-01-01T00:02:00Z the end"]

    cluster.on_create = start
    run(api)
    copied = [text.removeprefix("worker 0: ") for text in log.messages if text.startswith("worker 0")]
    assert [text for text in copied if text.startswith("line")] == [f"line {number}" for number in range(20)]
    assert copied[-1] == "the end"
    assert "... lines left out, too many in one second" in copied


def test_logs_that_are_gone_or_forbidden_do_not_end_the_work(
    api: Api, cluster: Workloads, log: pytest.LogCaptureFixture
) -> None:
    def start(job: dict[str, Any]) -> None:
        ends(cluster)(job)
        cluster.logs.clear()

    cluster.on_create = start
    run(api)
    assert "its log is gone" in log.text
    log.clear()
    cluster.no_rights = {"get pods/log", "list pods", "list events"}
    run(api, identity=Identity("run-2", "train", {}))
    assert "pods cannot be listed: kubectl apply -k manifests/train-workers" in log.text


def test_forbidden_logs_are_said_once(api: Api, cluster: Workloads, log: pytest.LogCaptureFixture) -> None:
    cluster.no_rights = {"get pods/log"}
    cluster.on_create = ends(cluster)
    run(api)
    assert log.text.count("logs cannot be read: kubectl apply -k manifests/train-workers") == 1


def test_a_step_that_runs_again_joins_the_job(api: Api, cluster: Workloads, log: pytest.LogCaptureFixture) -> None:
    cluster.on_create = ends(cluster)
    run(api)
    assert run(api) == NAME
    assert list(cluster.jobs) == [NAME]
    assert "created by an earlier attempt of this step: joining it, succeeded" in log.text


def test_a_lost_answer_does_not_make_a_second_job(api: Api, cluster: Workloads) -> None:
    def lose_the_answer(job: dict[str, Any]) -> None:
        ends(cluster)(job)
        raise ConnectionResetError  # in the server: the connection drops after the job was created

    cluster.on_create = lose_the_answer
    assert run(api) == NAME
    assert cluster.requests.count("POST trainjobs") == 2
    assert list(cluster.jobs) == [NAME]


def test_after_a_failed_job_the_next_attempt_has_the_next_name(api: Api, cluster: Workloads) -> None:
    cluster.on_create = ends(cluster, "Failed", "job failed")
    with pytest.raises(KubeflowError, match=f"TrainJob team/{NAME} failed: JobsFailed: job failed"):
        run(api)
    cluster.on_create = ends(cluster)
    assert run(api) == IDENTITY.name("train", 1)
    assert list(cluster.jobs) == [NAME, IDENTITY.name("train", 1)]


def test_somebody_elses_job_of_that_name_is_refused_and_stays(api: Api, cluster: Workloads) -> None:
    cluster.jobs[NAME] = {"metadata": {"name": NAME, "uid": "theirs", "labels": {}}}
    with pytest.raises(KubeflowError, match="exists, but this step did not create it"):
        run(api)
    assert cluster.jobs[NAME]["metadata"]["uid"] == "theirs"


def test_a_failure_has_the_reasons_of_its_pods(api: Api, cluster: Workloads) -> None:
    def fail(job: dict[str, Any]) -> None:
        ends(cluster, "Failed", "jobset failed due to one or more job failures")(job)
        killed, lost = cluster.pods.values()
        ended = {"exitCode": 137, "reason": "OOMKilled"}
        killed["status"]["containerStatuses"] = [{"name": "node", "state": {"terminated": ended}}]
        lost["status"] |= {"reason": "Evicted", "message": "low on memory"}
        cluster.logs[killed["metadata"]["name"]] = [
            "2026-01-01T00:00:01Z train: out of memory",
            "2026-01-01T00:00:02Z ",
        ]

    cluster.on_create = fail
    with pytest.raises(KubeflowError) as raised:
        run(api)
    assert str(raised.value) == (
        f"TrainJob team/{NAME} failed: JobsFailed: jobset failed due to one or more job failures; "
        "worker 0: OOMKilled (exit code 137); worker 1: Evicted: low on memory; worker 0 said: train: out of memory"
    )


@pytest.mark.parametrize("reason", ["no node", "no image", "no pod"])
def test_a_job_that_does_not_start_is_deleted_with_its_reason(
    api: Api, cluster: Workloads, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_module, "REASON_SECONDS", 0.0)

    def start(job: dict[str, Any]) -> None:
        cluster.set_state(NAME)
        quota = {"reason": "FailedCreate", "message": "exceeded quota: kfp-azureml-runs"}
        cluster.events = [
            {**quota, "involvedObject": {"name": f"{NAME}-node-0"}},
            {"reason": "BackOff", "message": "of another job", "involvedObject": {"name": "other"}},
        ]
        for pod in cluster.add_pods(NAME, 2, "Pending") if reason != "no pod" else []:
            room = {"reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient cpu."}
            image = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "ml:1"'}
            pod["status"] |= (
                {"conditions": [{"type": "PodScheduled", "status": "False", **room}]}
                if reason == "no node"
                else {"containerStatuses": [{"name": "node", "state": {"waiting": image}}]}
            )

    cluster.on_create = start
    words = {
        "no node": "worker 0, worker 1: Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.",
        "no image": 'worker 0, worker 1: ImagePullBackOff: Back-off pulling image "ml:1"',
        "no pod": "FailedCreate: exceeded quota: kfp-azureml-runs",
    }
    with pytest.raises(LimitError) as raised:
        run(api, Limits(0.05, 0))
    assert words[reason] in str(raised.value)
    assert "other" not in str(raised.value)
    assert "(queue_timeout_seconds=0.05): TrainJob team/" in str(raised.value)
    assert str(raised.value).endswith(" deleted")
    assert cluster.jobs == {}
    assert cluster.pods == {}


def test_a_job_that_runs_too_long_is_deleted(api: Api, cluster: Workloads) -> None:
    cluster.on_create = lambda _: cluster.set_state(NAME, ready=True)
    with pytest.raises(LimitError, match=r"running for 0 s \(timeout_seconds=0.05\): .* deleted"):
        run(api, Limits(0, 0.05))
    assert cluster.jobs == {}


def test_an_hour_without_the_api_is_survived(api: Api, cluster: Workloads) -> None:
    cluster.on_create = ends(cluster)
    away = status(503, "ServiceUnavailable", "the control plane is upgraded")
    cluster.faults["GET trainjobs"] = [away, None, status(410, "Gone", "too old"), *[away] * 40]
    assert run(api) == NAME


def test_pods_and_logs_that_cannot_be_read_for_a_while_lose_nothing(
    api: Api, cluster: Workloads, log: pytest.LogCaptureFixture
) -> None:
    def start() -> None:
        (pod, _) = cluster.add_pods(NAME, 2)
        cluster.logs[pod["metadata"]["name"]] = ["2026-01-01T00:00:01Z first", "2026-01-01T00:00:02Z second"]
        cluster.set_state(NAME, ready=True)
        cluster.faults["GET pods"] = [None]
        cluster.faults["GET pods/log"] = [None, status(500, "InternalError", "kubelet"), status(400, "BadRequest", "")]

    cluster.on_read = [start, *[lambda: None] * 5, lambda: cluster.set_state(NAME, "Complete")]
    run(api)
    assert [text for text in log.messages if text.startswith("worker 0")] == ["worker 0: first", "worker 0: second"]


def test_a_job_deleted_by_somebody_else_is_an_error(api: Api, cluster: Workloads) -> None:
    cluster.on_read = [lambda: None, lambda: cluster.jobs.clear()]
    with pytest.raises(KubeflowError, match="was deleted while this step followed it"):
        run(api)


def test_workers_that_start_again_are_waited_for_anew(
    api: Api, cluster: Workloads, log: pytest.LogCaptureFixture
) -> None:
    def again() -> None:
        cluster.pods.clear()
        cluster.add_pods(NAME, 2, "Pending", attempt=1)
        cluster.set_state(NAME)

    cluster.on_read = [
        lambda: cluster.set_state(NAME, ready=True),
        again,
        lambda: cluster.set_state(NAME, ready=True),
        lambda: cluster.set_state(NAME, "Complete"),
    ]
    run(api, Limits(60, 60))
    phases = [line.split(": ")[1].split(",")[0] for line in log.messages if "elapsed" in line]
    assert phases == ["running", "waiting", "running", "succeeded"]


REFUSALS = {
    "unknown field": (
        status(400, "BadRequest", 'strict decoding error: unknown field "spec.trainer.numNodes"'),
        "this cluster's Kubeflow Trainer 2 does not accept it: strict decoding error: unknown field",
    ),
    "webhook": (
        status(403, "Forbidden", refusal("spec.trainer.env: must not have reserved envs")),
        "refused by the cluster: admission webhook",
    ),
    "quota": (status(403, "Forbidden", "exceeded quota: count/trainjobs"), "the namespace's quota is used up"),
    "namespace": (not_found('namespaces "team" not found'), "namespace team does not exist"),
    "page not found": (not_found("404 page not found"), "Kubeflow Trainer 2 is not installed in this cluster"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_one_line_with_the_servers_words(api: Api, cluster: Workloads, name: str) -> None:
    answer, words = REFUSALS[name]
    cluster.faults["POST trainjobs"] = [answer]
    with pytest.raises(KubeflowError) as raised:
        run(api)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert cluster.requests.count("POST trainjobs") == 1


def test_without_the_rights_the_role_is_named(api: Api, cluster: Workloads) -> None:
    cluster.no_rights = {"create trainjobs"}
    with pytest.raises(KubeflowError, match=r"may not create trainjobs in namespace team: kubectl apply -k manifests/"):
        run(api)


def test_without_trainer_the_missing_operator_is_named_even_where_rights_are_missing_too(
    api: Api, cluster: Workloads
) -> None:
    cluster.version = ""
    for no_rights in (set(), {"create trainjobs"}):
        cluster.no_rights = no_rights
        with pytest.raises(KubeflowError, match=r"not installed in this cluster, .* docs/aks.md#several-training"):
            run(api)


def test_a_field_of_another_version_is_refused_by_the_crd(api: Api, cluster: Workloads) -> None:
    spec = {**SPEC, "activeDeadlineSeconds": 60}  # since 2.2
    with pytest.raises(KubeflowError, match="activeDeadlineSeconds"):
        run_to_end(api, TRAIN_JOB, spec, IDENTITY, LONG)


def stopped_when(is_time: Callable[[], bool]) -> None:
    """Send SIGTERM to this process when it is time."""

    def wait() -> None:
        while not is_time():
            time.sleep(0.005)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def test_a_stopped_step_deletes_its_job_and_pods(api: Api, cluster: Workloads) -> None:
    def start(job: dict[str, Any]) -> None:
        cluster.add_pods(NAME, 2)
        cluster.set_state(NAME, ready=True)

    cluster.on_create = start
    stopped_when(lambda: cluster.requests.count("GET trainjobs") > 2)
    with pytest.raises(CancelledError, match=f"cancelled by SIGTERM: TrainJob team/{NAME} deleted$"), cancellable():
        run(api)
    assert (cluster.jobs, cluster.pods) == ({}, {})


def test_a_step_stopped_while_it_creates_deletes_what_it_created(api: Api, cluster: Workloads) -> None:
    def start(job: dict[str, Any]) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    cluster.on_create = start
    with pytest.raises(CancelledError, match=f"TrainJob team/{NAME} deleted"), cancellable():
        run(api)
    assert cluster.jobs == {}


def test_a_job_that_cannot_be_deleted_is_named_with_the_command(api: Api, cluster: Workloads) -> None:
    cluster.no_rights = {"delete trainjobs"}
    cluster.on_create = lambda _: cluster.set_state(NAME, ready=True)
    with pytest.raises(LimitError, match=f"delete it: kubectl delete trainjobs {NAME} --namespace team"):
        run(api, Limits(0, 0.02))


def test_pods_that_a_deleted_job_leaves_are_deleted(api: Api, cluster: Workloads) -> None:
    cluster.on_create = lambda _: (cluster.add_pods(NAME, 2), cluster.set_state(NAME, ready=True))[1]
    cluster.on_delete = lambda name: None
    with pytest.raises(LimitError, match=f"deleted, its pods {NAME}-node-0-0-0abcd, .* are stopping"):
        run(api, Limits(0, 0.02))
    assert cluster.pods == {}


def test_without_the_right_to_delete_pods_the_leftovers_are_named(api: Api, cluster: Workloads) -> None:
    cluster.no_rights = {"delete pods"}
    cluster.on_create = lambda _: (cluster.add_pods(NAME, 2), cluster.set_state(NAME, ready=True))[1]
    cluster.on_delete = lambda name: None
    with pytest.raises(LimitError, match=r"may still run .*, see kubectl get pods --namespace team --selector"):
        run(api, Limits(0, 0.02))


def test_negative_limits_are_refused() -> None:
    with pytest.raises(KubeflowError, match="queue_timeout_seconds -1: has to be 0"):
        Limits(-1, 0)


def test_a_new_job_of_the_same_name_is_not_deleted_for_the_old_one(api: Api, cluster: Workloads) -> None:
    cluster.on_create = lambda _: cluster.set_state(NAME, ready=True)
    run_until_late = pytest.raises(LimitError, match="deleted")

    def replace() -> None:
        # Between reading and deleting: somebody deletes it and creates another one.
        if cluster.requests.count("GET trainjobs") > 1 and "DELETE trainjobs" not in cluster.requests:
            cluster.faults["DELETE trainjobs"] = [status(409, "Conflict", "Precondition failed: UID in precondition")]

    cluster.on_read = [replace]
    with run_until_late:
        run(api, Limits(0, 0.02))
    assert cluster.requests.count("DELETE trainjobs") == 1
    assert list(cluster.jobs) == [NAME]


def test_a_stopped_step_does_not_delete_somebody_elses_job(api: Api, cluster: Workloads) -> None:
    cluster.jobs[NAME] = {"metadata": {"name": NAME, "uid": "theirs", "labels": {MANAGED_BY: OURS}}}
    cluster.on_read = [lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)]
    with pytest.raises(CancelledError, match="is somebody else's and stays"), cancellable():
        run(api)
    assert list(cluster.jobs) == [NAME]
