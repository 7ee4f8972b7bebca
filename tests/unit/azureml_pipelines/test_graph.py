"""Compiled KFP pipelines as graphs, and what of them Azure ML cannot run."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from kfp import dsl, kubernetes
from kfp.dsl import Dataset, Input, Output

from kfp_azureml import use_azure_secret
from kfp_azureml.azureml_pipelines.graph import Constant, Graph, NodeOutput, PipelineInput, Text, read_graph
from kfp_azureml.compiling.sources import shipped_pipelines
from kfp_azureml.runtime.errors import PipelineError

Read = Callable[[Any], Graph]


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def say(text: str) -> str:
    return text


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def make(table: Output[Dataset], count: int = 3) -> bool:
    return True


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def take(table: Input[Dataset], text: str = "t") -> None: ...


def test_the_suites_pipeline_has_its_steps_edges_and_condition() -> None:
    documents = list(yaml.safe_load_all((shipped_pipelines() / "image_classification.yaml").read_text()))
    graph = read_graph(*documents)
    nodes = {node.name: node for node in graph.nodes}
    assert set(nodes) == {
        "aml_preflight", "aml_live_model", "prep", "train", "score", "quality_gate",
        "aml_register_model", "aml_deploy_model",
    }  # fmt: skip
    assert nodes["score"].inputs == {
        "input_data": NodeOutput("prep", "test_data"),
        "input_model": NodeOutput("train", "output_model"),
        "live_model": NodeOutput("aml_live_model", "model"),
    }
    assert nodes["quality_gate"].inputs == {
        "accuracy": NodeOutput("score", "Output"),
        "scores": NodeOutput("score", "scores"),
        **{name: PipelineInput(name) for name in ("min_accuracy", "metric", "min_metric", "min_improvement")},
    }
    assert nodes["aml_live_model"].inputs["model_id"] == NodeOutput("aml_preflight", "live_model")
    assert nodes["aml_deploy_model"].inputs["model_version"] == NodeOutput("aml_register_model", "version")
    assert nodes["aml_deploy_model"].inputs["score_result"] == NodeOutput("score", "output_result")
    assert nodes["prep"].inputs["data_version"] == NodeOutput("aml_preflight", "data_version")
    assert nodes["aml_preflight"].inputs["run_id"] == Constant(dsl.PIPELINE_JOB_ID_PLACEHOLDER)
    (condition,) = graph.conditions
    assert condition.name == "accepted"
    assert condition.nodes == ("aml_register_model", "aml_deploy_model")
    assert condition.inputs == {"pipelinechannel--quality-gate-Output": NodeOutput("quality_gate", "Output")}
    assert {node.name for node in graph.nodes if node.uses_azure} == set(nodes) - {"score", "quality_gate"}
    assert {node.name for node in graph.nodes if node.cached} == {
        "prep", "train", "score", "quality_gate", "aml_live_model",
    }  # fmt: skip
    assert nodes["train"].timeout_seconds == 86400
    (skipped_tasks,) = graph.skipped_tasks
    assert skipped_tasks.startswith("aml_reconcile is skipped: ")
    assert "epochs" in graph.used_parameters
    assert not graph.used_parameters & {"train_cpu", "azure_memory", "azure_secret"}


def test_constants_texts_and_pipelines_in_pipelines(graph: Read) -> None:
    @dsl.pipeline
    def inner(word: str, other: str = "o") -> str:
        first = say(text=word)
        return say(text=first.output).output

    @dsl.pipeline(name="outer")
    def outer(name: str = "n") -> Dataset:
        one = inner(word=f"a {name} b")
        say(text=one.output)
        made = make(count=4)
        take(table=made.outputs["table"], text=name)
        return made.outputs["table"]

    read = graph(outer)
    nodes = {node.name: node for node in read.nodes}
    assert len(nodes) == 5
    texts = [node.inputs["text"] for node in read.nodes if node.definition.name == "say"]
    assert Text((Constant("a "), PipelineInput("name"), Constant(" b"))) in texts
    assert nodes["make"].inputs == {"count": Constant(4)}
    assert nodes["take"].inputs == {"table": NodeOutput("make", "table"), "text": PipelineInput("name")}
    assert read.outputs == {"Output": NodeOutput("make", "table")}
    assert read.used_parameters == {"name"}


def test_branches_are_conditions_of_their_own(graph: Read) -> None:
    @dsl.pipeline(name="branches")
    def branches(count: int = 3) -> None:
        made = make(count=count)
        with dsl.If(made.outputs["Output"] == True, name="yes"):  # noqa: E712
            say(text="yes")
        with dsl.Else():
            say(text="no")
        with dsl.If(count > 5):
            say(text="many")

    conditions = {condition.name: condition for condition in graph(branches).conditions}
    assert len(conditions) == 3
    assert [len(condition.nodes) for condition in conditions.values()] == [1, 1, 1]
    assert conditions["yes"].inputs == {"pipelinechannel--make-Output": NodeOutput("make", "Output")}
    negated = [condition for condition in conditions.values() if condition.terms[0].negated]
    assert len(negated) == 1
    assert any(
        condition.inputs == {"pipelinechannel--count": PipelineInput("count")} for condition in conditions.values()
    )


def loop() -> Any:
    @dsl.pipeline(name="p")
    def pipeline() -> None:
        with dsl.ParallelFor(["a", "b"]) as item:
            say(text=item)

    return pipeline


def exit_handler() -> Any:
    @dsl.pipeline(name="p")
    def pipeline() -> None:
        with dsl.ExitHandler(say(text="done")):
            say(text="a")

    return pipeline


def order_only() -> Any:
    @dsl.pipeline(name="p")
    def pipeline() -> None:
        say(text="second").after(make())

    return pipeline


def importer() -> Any:
    @dsl.pipeline(name="p")
    def pipeline() -> None:
        take(table=dsl.importer(artifact_uri="s3://a/b", artifact_class=Dataset).output)

    return pipeline


def nested() -> Any:
    @dsl.pipeline(name="p")
    def pipeline(a: bool = True) -> None:
        made = make()
        with dsl.If(a == True, name="outer"), dsl.If(made.outputs["Output"] == True, name="within"):  # noqa: E712
            say(text="a")

    return pipeline


def text_of_another_step() -> Any:
    @dsl.pipeline(name="p")
    def pipeline() -> None:
        say(text=f"a {say(text='b').output}")

    return pipeline


def foreign_secret() -> Any:
    @dsl.pipeline(name="p")
    def pipeline() -> None:
        kubernetes.use_secret_as_env(say(text="a"), "mine", {"password": "PASSWORD"})

    return pipeline


def secret_volume() -> Any:
    @dsl.pipeline(name="p")
    def pipeline() -> None:
        kubernetes.use_secret_as_volume(say(text="a"), "mine", "/secrets")

    return pipeline


def volume() -> Any:
    @dsl.pipeline(name="p")
    def pipeline() -> None:
        kubernetes.mount_pvc(say(text="a"), "claim", "/data")

    return pipeline


def workspace() -> Any:
    @dsl.pipeline(
        name="p", pipeline_config=dsl.PipelineConfig(workspace=dsl.WorkspaceConfig(size="1Gi")),
    )  # fmt: skip
    def pipeline() -> None:
        say(text=dsl.WORKSPACE_PATH_PLACEHOLDER)

    return pipeline


def image_parameter() -> Any:
    @dsl.pipeline(name="p")
    def pipeline(image: str = "python:3.11") -> None:
        say(text="a").set_container_image(image)

    return pipeline


def one_of() -> Any:
    @dsl.pipeline(name="p")
    def pipeline(a: bool = True) -> str:
        with dsl.If(a == True):  # noqa: E712
            yes = say(text="yes")
        with dsl.Else():
            no = say(text="no")
        return dsl.OneOf(yes.output, no.output)

    return pipeline


def artifact_input() -> Any:
    @dsl.pipeline(name="p")
    def pipeline(table: Input[Dataset]) -> None:
        take(table=table)

    return pipeline


@pytest.mark.parametrize(
    ("pipeline", "refusal"),
    [
        (loop, r"^for_loop_2: cannot run on Azure ML: it is a loop \(ParallelFor\)$"),
        (exit_handler, "^say: cannot run on Azure ML: it is an exit handler"),
        (order_only, "^say: cannot run on Azure ML: it runs after make without using its outputs"),
        (importer, "^importer: cannot run on Azure ML: it is an importer"),
        (nested, "^within: cannot run on Azure ML: it is a condition within the condition outer$"),
        (
            text_of_another_step,
            "^say_2: cannot run on Azure ML: its input text is a text that contains another step's output",
        ),
        (foreign_secret, "^say: cannot run on Azure ML: it uses a Kubernetes secret for environment variables"),
        (secret_volume, "^say: cannot run on Azure ML: it uses the Kubernetes setting secretAsVolume$"),
        (volume, "^say: cannot run on Azure ML: it uses the Kubernetes setting pvcMount$"),
        (workspace, "^p: cannot run on Azure ML: its steps share a workspace volume"),
        (image_parameter, "^say: cannot run on Azure ML: its image is a parameter"),
        (one_of, "^condition_branches_1: cannot run on Azure ML: its output is chosen from several steps'"),
        (artifact_input, "^p: cannot run on Azure ML: its input table is an artifact"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_azure_ml_cannot_run_is_refused_by_name(graph: Read, pipeline: Callable[[], Any], refusal: str) -> None:
    with pytest.raises(PipelineError, match=refusal):
        graph(pipeline())


def test_azcreds_becomes_the_jobs_identity(graph: Read) -> None:
    @dsl.pipeline(name="p")
    def pipeline() -> None:
        use_azure_secret(say(text="a"))
        kubernetes.add_pod_label(say(text="b"), "azure.workload.identity/use", "true")
        say(text="c")

    assert [node.uses_azure for node in graph(pipeline).nodes] == [True, True, False]
