"""Which worker a process is, from what Azure ML, TFJobs and Kubeflow Trainer set."""

import json

import pytest

from kfp_azureml.runtime.errors import TrainingError
from kfp_azureml.steps.train.cluster import Cluster, cluster_from_env

AZURE_ML = {
    "cluster": {"worker": ["10.0.0.4:2222", "10.0.0.5:2222"], "ps": []},
    "task": {"type": "worker", "index": 1},
    "environment": "cloud",
}
TRAINER = "mine-node-0-0.mine"


def test_azure_ml_says_it_in_tf_config() -> None:
    found = cluster_from_env({"TF_CONFIG": json.dumps(AZURE_ML)})
    assert found == Cluster(("10.0.0.4:2222", "10.0.0.5:2222"), 1)


def test_a_clusters_own_tf_config_is_read_back() -> None:
    cluster = Cluster(("a:1", "b:2", "c:3"), 2)
    assert cluster_from_env({"TF_CONFIG": cluster.tf_config()}) == cluster


def test_a_chief_is_the_first_worker() -> None:
    tasks = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    for task, rank in (({"type": "chief", "index": 0}, 0), ({"type": "worker", "index": 1}, 2)):
        found = cluster_from_env({"TF_CONFIG": json.dumps({"cluster": tasks, "task": task})})
        assert found == Cluster(("a:1", "b:1", "c:1"), rank)


def test_kubeflow_trainer_names_worker_0() -> None:
    wanted = Cluster(tuple(f"mine-node-0-{number}.mine:29500" for number in range(3)), 2)
    torch = {"PET_NNODES": "3", "PET_NODE_RANK": "2", "PET_MASTER_ADDR": TRAINER, "PET_MASTER_PORT": "29500"}
    jax = {"JAX_NUM_PROCESSES": "3", "JAX_PROCESS_ID": "2", "JAX_COORDINATOR_ADDRESS": f"{TRAINER}:29500"}
    assert cluster_from_env(torch) == cluster_from_env(jax) == wanted


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"TF_CONFIG": ""},
        {"TF_CONFIG": json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}})},
        {"PET_NNODES": "1", "PET_NODE_RANK": "0"},
    ],
)
def test_a_process_alone_has_no_cluster(environ: dict[str, str]) -> None:
    assert cluster_from_env(environ) is None


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"TF_CONFIG": "{"}, "not a cluster and a task"),
        ({"TF_CONFIG": "[]"}, "not a cluster and a task"),
        ({"TF_CONFIG": json.dumps({**AZURE_ML, "task": {"type": "worker", "index": 2}})}, "worker 2: there are only 2"),
        (
            {"TF_CONFIG": json.dumps({**AZURE_ML, "cluster": {"ps": ["a:1"], "worker": ["b:1"]}})},
            "no parameter servers",
        ),
        ({"PET_NNODES": "1:3", "PET_NODE_RANK": "0"}, "PET_NNODES is '1:3'"),
        ({"PET_NNODES": "2", "PET_NODE_RANK": "0", "PET_MASTER_ADDR": "10.0.0.4"}, "ending in -0"),
        ({"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "0"}, "worker 0 is ''"),
    ],
)
def test_what_is_no_cluster_is_said(environ: dict[str, str], words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        cluster_from_env(environ)
