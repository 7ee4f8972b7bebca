"""TrainJobs: valid in every supported version of Trainer, their states, and the choice of the training runtime."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from crd_schemas import TRAINER_VERSIONS, faults_of
from kfp_azureml.engines.api import Api
from kfp_azureml.engines.identity import Identity
from kfp_azureml.engines.kinds import Phase, State
from kfp_azureml.engines.train_job import TRAIN_JOB, Program, Workers, choose_runtime, state_of, train_job_spec
from kfp_azureml.runtime.errors import KubeflowError
from kubernetes_workloads import Workloads

RUNTIME = Path(__file__).parents[3] / "manifests/train-workers/runtime/training-runtime.yaml"
COMMON = {"runtimeRef", "trainer", "suspend", "managedBy"}
COMMON_TRAINER = {"image", "command", "args", "env", "numNodes", "resourcesPerNode"}


def train_job() -> dict[str, Any]:
    program = Program("ml:1", ["python"], {"A": "1"}, {"AZ_CLIENT_SECRET": ("azcreds", "AZ_CLIENT_SECRET")})
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "run", "uid": "1"}
    return {
        "apiVersion": f"{TRAIN_JOB.group}/{TRAIN_JOB.version}",
        "kind": TRAIN_JOB.name,
        "metadata": {**Identity("run", "train", {}).metadata("train-1", 0), "ownerReferences": [owner]},
        "spec": train_job_spec(program, Workers(2, "500m", "2Gi", 1), "kfp-azureml"),
    }


@pytest.mark.parametrize("version", TRAINER_VERSIONS)
def test_trainer_takes_the_job_and_refuses_unknown_fields(version: str) -> None:
    assert faults_of(train_job(), "trainjobs", version) == []
    wrong = deepcopy(train_job())
    wrong["spec"]["trainer"]["nonsense"] = 1
    (fault,) = faults_of(wrong, "trainjobs", version)
    assert "'nonsense' was unexpected" in fault
    wrong = deepcopy(train_job())
    wrong["spec"]["trainer"]["numNodes"] = "2"
    assert faults_of(wrong, "trainjobs", version) == ["spec.trainer.numNodes: '2' is not of type 'integer'"]


def test_the_job_has_only_fields_of_all_versions() -> None:
    spec = train_job()["spec"]
    assert set(spec) <= COMMON
    assert set(spec["trainer"]) == COMMON_TRAINER


@pytest.mark.parametrize("version", TRAINER_VERSIONS)
def test_trainer_takes_our_training_runtime(version: str) -> None:
    runtime = yaml.safe_load(RUNTIME.read_text())
    assert faults_of(runtime, "clustertrainingruntimes", version) == []
    wrong = deepcopy(runtime)
    wrong["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["nonsense"] = 1
    assert len(faults_of(wrong, "clustertrainingruntimes", version)) == 1


def test_our_runtime_restarts_the_whole_group_and_names_the_workers() -> None:
    spec = yaml.safe_load(RUNTIME.read_text())["spec"]
    job_set = spec["template"]["spec"]
    (node,) = job_set["replicatedJobs"]
    job = node["template"]["spec"]
    pod = job["template"]["spec"]
    # Without `torch` Trainer sets no PET_* variables (pkg/runtime/framework/plugins/torch).
    assert spec["mlPolicy"]["torch"] == {}
    assert (node["name"], pod["containers"][0]["name"]) == ("node", TRAIN_JOB.container)
    assert node["template"]["metadata"]["labels"] == {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    assert (job["backoffLimit"], pod["restartPolicy"], job_set["failurePolicy"]["maxRestarts"]) == (0, "Never", 3)
    assert job["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    assert pod["securityContext"]["runAsNonRoot"] is True


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({}, State(Phase.WAITING)),
        ({"conditions": [{"type": "Suspended", "status": "True"}]}, State(Phase.WAITING, "suspended")),
        ({"conditions": [{"type": "Suspended", "status": "False"}], "jobsStatus": []}, State(Phase.WAITING)),
        ({"jobsStatus": [{"name": "node", "active": 1, "ready": 0, "succeeded": 0}]}, State(Phase.WAITING)),
        ({"jobsStatus": [{"name": "node", "active": 1, "ready": 1}]}, State(Phase.RUNNING)),
        ({"jobsStatus": [{"name": "node", "succeeded": 1}]}, State(Phase.RUNNING)),
        ({"conditions": [{"type": "Complete", "status": "True", "message": "m"}]}, State(Phase.SUCCEEDED)),
        (
            {"conditions": [{"type": "Failed", "status": "True", "reason": "R", "message": "m"}]},
            State(Phase.FAILED, "R: m"),
        ),
        ({"conditions": [{"type": "Failed", "status": "True"}]}, State(Phase.FAILED)),
        ({"conditions": [{"type": "Failed", "status": "False"}]}, State(Phase.WAITING)),
    ],
)
def test_states_of_a_job(status: dict[str, Any], state: State) -> None:
    assert state_of({"status": status}) == state


def test_our_runtime_is_preferred_and_the_stock_one_stands_in(
    api: Api, cluster: Workloads, log: pytest.LogCaptureFixture
) -> None:
    assert choose_runtime(api) == "kfp-azureml"
    assert choose_runtime(api, "mine") == "mine"
    cluster.runtimes = ("torch-distributed",)
    assert choose_runtime(api) == "torch-distributed"
    assert "kubectl apply -k manifests/train-workers installs it" in log.text
    cluster.runtimes = ("kfp-azureml",)
    cluster.no_rights = {"get clustertrainingruntimes"}
    assert choose_runtime(api) == "torch-distributed"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0, "1", "1Gi"), "workers 0: has to be 1 or more"),
        ((2, "", "1Gi"), "cpu: is empty; expected an amount, such as 2"),
        ((2, "1", ""), "memory: is empty; expected an amount, such as 2Gi"),
        ((2, "1", "1Gi", -1), "gpus -1: has to be 0 or more"),
    ],
)
def test_wrong_workers_are_refused(values: tuple[Any, ...], words: str) -> None:
    with pytest.raises(KubeflowError, match=words):
        Workers(*values)


def test_names_and_labels_follow_from_run_task_and_request() -> None:
    one, again = Identity("run", "train", {"epochs": 1}), Identity("run", "train", {"epochs": 1})
    assert one.name("train", 0) == again.name("train", 0)
    others = [Identity("other", "train", {"epochs": 1}), Identity("run", "train-2", {"epochs": 1})]
    others += [Identity("run", "train", {"epochs": 2}), Identity("", "train", {}), Identity("", "train", {})]
    assert len({each.name("train", 0) for each in (one, *others)}) == 6
    job = {"metadata": one.metadata("n", 0)}
    assert one.owns(job)
    assert not others[0].owns(job)
    labels = Identity("no label: /", "train", {}).metadata("n", 0)["labels"]
    assert len(labels["kfp-azureml/run"]) == 32
