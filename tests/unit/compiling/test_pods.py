"""Pods of a user's own pipeline: whatever block a task is in, its limits reach it."""

from pathlib import Path

import pytest
import yaml
from kfp import compiler, dsl

from kfp_azureml.compiling.compile import compile_pipeline
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.pods import for_kubeflow
from kfp_azureml.compiling.validation import validate_compiled
from kfp_azureml.runtime.errors import PipelineError


@dsl.component(base_image="example/ml:1", install_kfp_package=False)
def choose() -> str:
    return "yes"


@dsl.component(base_image="example/ml:1", install_kfp_package=False)
def tell(word: str) -> None:
    print(word)  # noqa: T201


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    return tmp_path / "pipeline.yaml"


def pipeline_with_limits(give_limits) -> object:
    """Return a pipeline with tasks in an If in an ExitHandler, whose limits are parameters that nothing else uses."""

    @dsl.pipeline(name="nested")
    def nested(light_cpu: str = "500m", light_memory: str = "256Mi") -> None:
        last = give_limits(tell(word="done"), light_cpu, light_memory)
        with dsl.ExitHandler(last):
            chosen = give_limits(choose(), light_cpu, light_memory)
            with dsl.If(chosen.output == "yes"):
                give_limits(tell(word=chosen.output), light_cpu, light_memory)

    return nested


def test_limits_reach_a_task_in_blocks(compiled: Path) -> None:
    pipeline = pipeline_with_limits(
        lambda task, cpu, memory: for_kubeflow(task, PipelineOptions(), cpu=cpu, memory=memory, timeout_seconds=60)
    )
    compiler.Compiler().compile(pipeline, str(compiled))
    validate_compiled(compiled)


def test_the_same_limits_set_with_kfp_alone_dangle_and_are_refused(compiled: Path) -> None:
    pipeline = pipeline_with_limits(lambda task, cpu, memory: task.set_cpu_limit(cpu).set_memory_limit(memory))
    compiler.Compiler().compile(pipeline, str(compiled))
    with pytest.raises(PipelineError, match=r"input pipelinechannel--light_[a-z]+ of .*, which is not defined"):
        validate_compiled(compiled)


def test_constant_limits_need_no_parameter(compiled: Path) -> None:
    pipeline = pipeline_with_limits(
        lambda task, *_: for_kubeflow(task, PipelineOptions(), cpu="2", memory="1Gi", timeout_seconds=60)
    )
    compiler.Compiler().compile(pipeline, str(compiled))
    validate_compiled(compiled)
    executors = next(yaml.safe_load_all(compiled.read_text()))["deploymentSpec"]["executors"]
    assert {one["container"]["resources"]["resourceCpuLimit"] for one in executors.values()} == {"2"}


def test_a_timeout_for_a_step_that_is_not_there_is_refused(tmp_path: Path, compiled: Path) -> None:
    source = tmp_path / "mine.py"
    source.write_text(
        "from kfp_azureml.components import quality_gate\n"
        "from kfp import dsl\n"
        "def build_pipeline(options):\n"
        "    @dsl.pipeline(name='mine')\n"
        "    def mine():\n"
        "        quality_gate(accuracy=0.5, min_accuracy=0.4)\n"
        "    return mine\n"
    )
    with pytest.raises(PipelineError, match="timeout of trian: no such step; the pipeline has quality_gate"):
        compile_pipeline(source, compiled, PipelineOptions(timeouts={"trian": 5}))
    assert not compiled.exists()
