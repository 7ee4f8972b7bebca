"""The shipped pipeline with several workers: train_distributed in place of train, and its cleanup."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from kfp_azureml.azcreds import KEYS
from kfp_azureml.compiling.documents import Compiled
from kfp_azureml.compiling.gpu import Gpu, Taint
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import load_builder, shipped_pipelines
from kfp_azureml.compiling.validation import validate_documents
from kfp_azureml.runtime.errors import PipelineError

SOURCE = shipped_pipelines() / "image_classification.py"


def compiled(**options: Any) -> Compiled:
    built = load_builder(SOURCE)(PipelineOptions(**options))
    documents = Compiled(MessageToDict(built.pipeline_spec), MessageToDict(built.platform_spec))
    validate_documents(SOURCE, documents.pipeline, documents.platform)
    return documents


def task(documents: Compiled, name: str) -> dict[str, Any]:
    dags = [documents.pipeline["root"], *documents.pipeline["components"].values()]
    return next(dag["dag"]["tasks"][name] for dag in dags if name in dag.get("dag", {}).get("tasks", {}))


def constants(documents: Compiled, name: str) -> dict[str, Any]:
    given = task(documents, name)["inputs"]["parameters"]
    return {key: value["runtimeValue"]["constant"] for key, value in given.items() if "runtimeValue" in value}


def test_two_workers_replace_train_and_everything_after_it_takes_their_model() -> None:
    documents = compiled(train_workers=2)
    assert "comp-train" not in documents.pipeline["components"]
    given = task(documents, "train-distributed")["inputs"]["parameters"]
    assert constants(documents, "train-distributed")["workers"] == 2
    passed = {
        name: value["componentInputParameter"] for name, value in given.items() if "componentInputParameter" in value
    }
    assert passed["worker_cpu"].endswith("train_cpu")
    assert passed["worker_memory"].endswith("train_memory")
    assert passed["azure_secret"].endswith("azure_secret")
    assert passed["checkpoint"].endswith("checkpoint")
    model = task(documents, "score")["inputs"]["artifacts"]["input_model"]["taskOutputArtifact"]
    assert model == {"producerTask": "train-distributed", "outputArtifactKey": "output_model"}
    # Its result is as reusable as train's: nothing of the run is among its inputs.
    assert task(documents, "train-distributed")["cachingOptions"] == {"enableCache": True}
    assert "pipeline_job" not in str(given)


def test_the_step_itself_is_small_and_has_more_time_than_its_workers() -> None:
    documents = compiled(train_workers=2)
    container = documents.containers["exec-train-distributed"]
    assert "azure-cpu" in str(container["resources"]).replace("_", "-")
    assert container["image"].startswith("kfp-azureml/ml:")
    pod = documents.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-train-distributed"]
    assert int(pod["activeDeadlineSeconds"]) > 86400 + 3600
    (secret,) = pod["secretAsEnv"]
    assert {entry["envVar"] for entry in secret["keyToEnv"]} == set(KEYS)


def test_the_exit_task_deletes_train_jobs_only_where_there_can_be_some() -> None:
    assert constants(compiled(train_workers=2), "aml-reconcile")["train_jobs"] is True
    assert constants(compiled(), "aml-reconcile")["train_jobs"] is False


def test_workers_have_the_gpus_and_the_step_none() -> None:
    documents = compiled(train_workers=2, gpu=Gpu(2, "amd.com/gpu"))
    given = constants(documents, "train-distributed")
    assert (given["worker_gpus"], given["gpu_type"]) == (2, "amd.com/gpu")
    container = documents.containers["exec-train-distributed"]
    assert container["image"].startswith("kfp-azureml/ml-gpu:")
    assert "accelerator" not in container["resources"]


def test_with_workload_identity_the_workers_get_no_secret() -> None:
    assert constants(compiled(train_workers=2, workload_identity=True), "train-distributed")["azure_secret"] == ""


@pytest.mark.parametrize(
    "gpu", [Gpu(node_selector={"agentpool": "gpu"}), Gpu(taints=(Taint("a", "NoSchedule"),))], ids=["nodes", "taints"]
)
def test_nodes_of_several_workers_are_chosen_in_the_training_runtime(gpu: Gpu) -> None:
    with pytest.raises(PipelineError, match="set them in manifests/train-workers/runtime"):
        load_builder(SOURCE)(PipelineOptions(train_workers=2, gpu=gpu))


def test_a_number_of_workers_is_one_or_more() -> None:
    with pytest.raises(PipelineError, match="train workers 0: expected 1 or more"):
        PipelineOptions(train_workers=0)
