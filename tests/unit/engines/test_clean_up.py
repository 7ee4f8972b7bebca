"""What a pipeline run left is deleted, and nothing else; its workflow owns what it creates."""

from __future__ import annotations

import pytest

from kfp_azureml.engines.api import Api
from kfp_azureml.engines.clean_up import clean_up
from kfp_azureml.engines.identity import Identity
from kfp_azureml.engines.own_pod import OwnPod, read_own_pod
from kfp_azureml.engines.start_or_join import start_or_join
from kfp_azureml.engines.train_job import TRAIN_JOB
from kfp_azureml.runtime.errors import KubeflowError, PipelineError
from kubernetes_workloads import Workloads
from train_jobs import SPEC


def start(api: Api, run: str, task: str = "train") -> str:
    return str(start_or_join(api, TRAIN_JOB, SPEC, Identity(run, task, {}))["metadata"]["name"])


def test_unfinished_jobs_of_the_run_are_deleted(api: Api, cluster: Workloads) -> None:
    done, left, other = start(api, "run-1", "done"), start(api, "run-1"), start(api, "run-2")
    cluster.set_state(done, "Complete")
    cluster.add_pods(left, 2)
    assert clean_up(api, "run-1", dry_run=True) == [f"TrainJob team/{left}"]
    assert set(cluster.jobs) == {done, left, other}
    assert clean_up(api, "run-1") == [f"TrainJob team/{left} deleted"]
    assert set(cluster.jobs) == {done, other}
    assert cluster.pods == {}
    assert clean_up(api, "run-1") == []


def test_a_cluster_without_trainer_has_nothing_left(api: Api, cluster: Workloads) -> None:
    cluster.version = ""
    assert clean_up(api, "run-1") == []


def test_what_cannot_be_listed_or_deleted_is_an_error(api: Api, cluster: Workloads) -> None:
    left = start(api, "run-1")
    cluster.no_rights = {"delete trainjobs"}
    with pytest.raises(KubeflowError, match=f"TrainJob team/{left} could not be deleted"):
        clean_up(api, "run-1")
    cluster.no_rights = {"list trainjobs"}
    with pytest.raises(KubeflowError, match="may not list trainjobs in namespace team"):
        clean_up(api, "run-1")
    with pytest.raises(PipelineError, match="no pipeline run given"):
        clean_up(api, "")


def test_the_workflow_of_the_steps_pod_owns_what_it_creates(api: Api, cluster: Workloads) -> None:
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "run-abc", "uid": "w-1"}
    cluster.pods["step"] = {
        "metadata": {
            "name": "step",
            "labels": {"pipeline/runid": "run-1"},
            "ownerReferences": [{**workflow, "controller": True}, {"kind": "Other"}],
        },
        "spec": {"containers": [{"name": "wait", "image": "argoexec"}, {"name": "main", "image": "example.io/ml:1"}]},
    }
    pod = read_own_pod(api, TRAIN_JOB, {"KFP_POD_NAME": "step"})
    assert pod == OwnPod("example.io/ml:1", "run-1", (workflow,))
    job = start_or_join(api, TRAIN_JOB, SPEC, Identity("run", "train", {}), pod.owners)
    assert job["metadata"]["ownerReferences"] == [workflow]


def test_outside_of_kubeflow_there_is_no_pod_of_the_step(api: Api) -> None:
    assert read_own_pod(api, TRAIN_JOB, {}) == OwnPod()


def test_a_step_that_may_not_read_its_pod_names_the_role_or_what_else_is_missing(api: Api, cluster: Workloads) -> None:
    cluster.no_rights = {"get pods"}
    role = "pod step, .* may not get pods in namespace team: kubectl apply -k manifests/train-workers"
    with pytest.raises(KubeflowError, match=role):
        read_own_pod(api, TRAIN_JOB, {"KFP_POD_NAME": "step"})
    cluster.version = ""
    with pytest.raises(KubeflowError, match="Kubeflow Trainer 2 is not installed"):
        read_own_pod(api, TRAIN_JOB, {"KFP_POD_NAME": "step"})
