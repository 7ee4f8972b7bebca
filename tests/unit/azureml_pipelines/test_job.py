"""Pipeline jobs: what their files say, and that the real SDK takes them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import dsl

from hostile_texts import HOSTILE
from kfp_azureml.azureml_pipelines.connection import PREVIEWS
from kfp_azureml.azureml_pipelines.graph import Graph, read_graph
from kfp_azureml.azureml_pipelines.in_job.job_text import decode
from kfp_azureml.azureml_pipelines.job import pipeline_job
from kfp_azureml.azureml_pipelines.placement import Placement, parse_placement
from kfp_azureml.compiling.sources import shipped_pipelines
from kfp_azureml.runtime.errors import PipelineError

Read = Callable[[Any], Graph]
WORKSPACE = {"resource_group": "g", "workspace": "w"}

VALIDATE = """
import sys, logging
logging.disable(logging.WARNING)
from azure.ai.ml import load_job
job = load_job(sys.argv[1])
result = job._validate()
assert result.passed, result.error_messages
body = job._to_rest_object().as_dict()["properties"]
print(sorted(body["jobs"]), body["jobs"]["accepted"]["type"], body["settings"]["default_compute"])
"""


@pytest.fixture(scope="module")
def suite_graph() -> Graph:
    documents = list(yaml.safe_load_all((shipped_pipelines() / "image_classification.yaml").read_text()))
    return read_graph(*documents)


def test_the_suites_pipeline_says_all_that_kubeflow_is_told(suite_graph: Graph) -> None:
    placement = parse_placement(["cpu-cluster", "train=gpu-cluster"])
    arguments = {**WORKSPACE, "epochs": 2, "class_names": ["cat", "dog"]}
    document = pipeline_job(suite_graph, arguments, placement, "pipeline_samples").document
    assert document["experiment_name"] == "pipeline_samples"
    assert document["display_name"] == "Image classification to Azure ML"
    assert document["settings"] == {"default_compute": "azureml:cpu-cluster"}
    inputs = document["inputs"]
    assert inputs["epochs"] == 2
    assert inputs["min_accuracy"] == 0.9
    assert inputs["class_names"] == '["cat", "dog"]'
    assert inputs["use_azure_credentials"] is False
    assert not {"endpoint_name", "train_cpu", "azure_secret"} & set(inputs)
    jobs = document["jobs"]
    assert jobs["train"]["compute"] == "azureml:gpu-cluster"
    assert "compute" not in jobs["score"]
    assert jobs["train"]["inputs"]["epochs"] == "${{parent.inputs.epochs}}"
    assert jobs["score"]["inputs"]["input_model"] == "${{parent.jobs.train.outputs.output_model}}"
    assert jobs["quality_gate"]["inputs"]["accuracy"] == "${{parent.jobs.score.outputs.Output}}"
    assert jobs["aml_deploy_model"]["inputs"]["model_version"] == "${{parent.jobs.aml_register_model.outputs.version}}"
    # What is empty in KFP is not given.
    assert "endpoint_name" not in jobs["aml_deploy_model"]["inputs"]
    assert jobs["train"]["limits"] == {"timeout": 86400}
    assert {name for name, job in jobs.items() if "identity" in job} == {
        "aml_preflight", "aml_live_model", "prep", "train", "aml_register_model", "aml_deploy_model",
    }  # fmt: skip
    assert jobs["accepted"] == {
        "type": "if_else",
        "condition": "${{parent.jobs.decide_accepted.outputs.is_met}}",
        "true_block": ["${{parent.jobs.aml_register_model}}", "${{parent.jobs.aml_deploy_model}}"],
    }
    decide = jobs["decide_accepted"]
    assert decide["inputs"] == {"quality_gate_Output": "${{parent.jobs.quality_gate.outputs.Output}}"}


def test_the_real_sdk_takes_it(suite_graph: Graph, tmp_path: Path) -> None:
    job = pipeline_job(suite_graph, WORKSPACE, Placement(), "pipeline_samples")
    assert job.needs_preview
    path = job.write(tmp_path)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", VALIDATE, str(path)],
        env={**os.environ, PREVIEWS: "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "'accepted', 'aml_deploy_model'" in done.stdout
    assert done.stdout.split("] ")[1].split() == ["if_else", "serverless"]


def test_registered_components_are_named_but_conditions_are_brought_along(suite_graph: Graph, tmp_path: Path) -> None:
    job = pipeline_job(suite_graph, WORKSPACE, Placement(), "e")
    path = job.write(tmp_path, lambda spec: f"azureml:{spec.name}:{spec.version}")
    jobs = yaml.safe_load(path.read_text())["jobs"]
    assert jobs["train"]["component"] == "azureml:train:0.1.0"
    assert jobs["decide_accepted"]["component"] == "./decide_accepted/azureml.yaml"
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == ["decide_accepted"]


def test_serverless_machines_are_asked_for_by_step(suite_graph: Graph) -> None:
    placement = parse_placement(["score=cpu"], ["Standard_DS3_v2", "train=Standard_NC4as_T4_v3"], ["train=2"])
    jobs = pipeline_job(suite_graph, WORKSPACE, placement, "e").document["jobs"]
    assert jobs["prep"]["resources"] == {"instance_type": "Standard_DS3_v2"}
    assert jobs["train"]["resources"] == {"instance_type": "Standard_NC4as_T4_v3", "instance_count": 2}
    assert "resources" not in jobs["score"]
    assert jobs["score"]["compute"] == "azureml:cpu"


def test_the_train_step_has_workers_each_on_a_machine_of_its_own(suite_graph: Graph) -> None:
    placement = parse_placement([], ["train=Standard_NC4as_T4_v3"], [])
    jobs = pipeline_job(suite_graph, WORKSPACE, placement, "e", train_workers=3).document["jobs"]
    assert jobs["train"]["distribution"] == {"type": "tensorflow", "worker_count": 3}
    assert jobs["train"]["resources"] == {"instance_type": "Standard_NC4as_T4_v3", "instance_count": 3}
    assert [name for name, job in jobs.items() if "distribution" in job] == ["train"]


@pytest.mark.parametrize(
    ("computes", "types", "counts", "error"),
    [
        (["tran=gpu"], [], [], "^compute of tran: unknown step; the pipeline has aml_deploy_model, "),
        (["cpu"], ["Standard_DS3_v2"], [], "^instance type of the steps: compute cpu has its own machines"),
        (["train=gpu"], ["train=Standard_NC4as_T4_v3"], [], "^instance type of train: .* --compute train=serverless$"),
        ([], [], ["two"], "^instance count 'two': expected an integer"),
    ],
)
def test_a_wrong_placement_is_refused(
    suite_graph: Graph, computes: list[str], types: list[str], counts: list[str], error: str
) -> None:
    with pytest.raises(PipelineError, match=error):
        pipeline_job(suite_graph, WORKSPACE, parse_placement(computes, types, counts), "e")


def test_a_parameter_without_effect_is_refused(suite_graph: Graph) -> None:
    with pytest.raises(PipelineError, match=r"^parameter train_cpu: it configures Kubernetes"):
        pipeline_job(suite_graph, {**WORKSPACE, "train_cpu": "4"}, Placement(), "e")


def test_an_empty_text_is_given_where_it_is_not_the_default(suite_graph: Graph) -> None:
    document = pipeline_job(suite_graph, {**WORKSPACE, "architecture": ""}, Placement(), "e").document
    assert "architecture" not in document["inputs"]
    assert decode(document["jobs"]["train"]["inputs"]["architecture"]) == ""
    assert "endpoint_name" not in document["jobs"]["aml_deploy_model"]["inputs"]


@pytest.mark.parametrize("text", HOSTILE)
def test_any_value_gets_to_the_job(graph: Read, tmp_path: Path, text: str) -> None:
    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def take(given: str, written: str, joined: str, names: list) -> None: ...

    @dsl.pipeline(name="p")
    def pipeline(text: str, names: list) -> None:
        take(given=text, written="it's $(x)", joined=f"<{text}|{text}>", names=names)

    job = pipeline_job(graph(pipeline), {"text": text, "names": [text]}, Placement(), "e")
    document = yaml.safe_load(job.write(tmp_path).read_text())
    values = document["inputs"]

    def resolved(literal: str) -> str:
        assert not re.search(r"[`$'](?!\{\{parent\.inputs\.(text|names)\}\})", literal)
        return decode(re.sub(r"\$\{\{parent\.inputs\.(\w+)\}\}", lambda name: values[name[1]], literal))

    inputs = {name: resolved(literal) for name, literal in document["jobs"]["take"]["inputs"].items()}
    assert inputs.pop("names") == json.dumps([text], ensure_ascii=False)
    assert inputs == {"given": text, "written": "it's $(x)", "joined": f"<{text}|{text}>"}


@pytest.mark.parametrize("text", ["x" * 150_000, "it's" * 25_000, "ü" * 30_000])
def test_a_value_that_is_too_long_for_a_process_is_refused(suite_graph: Graph, text: str) -> None:
    with pytest.raises(PipelineError, match=r"^parameter model_name: 1\d\d,\d{3} bytes exceed the limit"):
        pipeline_job(suite_graph, {**WORKSPACE, "model_name": text}, Placement(), "e")


def test_plain_values_can_be_read_in_the_studio(suite_graph: Graph) -> None:
    arguments = {
        **WORKSPACE,
        "model_name": "fashion-mnist",
        "input_data": "azureml:fashion data ü:1",
        "class_names": ["Käse"],
    }
    inputs = pipeline_job(suite_graph, arguments, Placement(), "e").document["inputs"]
    assert inputs["model_name"] == "fashion-mnist"
    assert inputs["input_data"] == "azureml:fashion data ü:1"
    assert inputs["class_names"] == '["Käse"]'


def test_named_outputs_are_bound(graph: Read) -> None:
    @dsl.component(base_image="python:3.11", install_kfp_package=False)
    def make(table: dsl.Output[dsl.Dataset]) -> None: ...

    @dsl.pipeline(name="p")
    def pipeline() -> dsl.Dataset:
        return make().outputs["table"]

    document = pipeline_job(graph(pipeline), {}, Placement(), "e").document
    assert document["outputs"] == {"Output": {"type": "uri_folder"}}
    assert document["jobs"]["make"]["outputs"] == {"table": "${{parent.outputs.Output}}"}
