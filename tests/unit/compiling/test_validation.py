"""Validation of compiled pipelines: each kind of breakage is found, and named."""

import copy
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
import yaml
from kfp import compiler, dsl, kubernetes

from kfp_azureml.compiling.absent_values import check_absent_values
from kfp_azureml.compiling.compile import compile_pipeline
from kfp_azureml.compiling.documents import read_compiled
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.parameters import check_complete, declared_parameters
from kfp_azureml.compiling.references import dangling_references
from kfp_azureml.compiling.validation import validate_compiled
from kfp_azureml.runtime.errors import PipelineError


@dsl.component(base_image="python:3.11")
def make(size: int, made: dsl.Output[dsl.Dataset]) -> str:
    return "made"


@dsl.component(base_image="python:3.11")
def use(made: dsl.Input[dsl.Dataset], word: str):
    """Use both."""


@dsl.pipeline(name="two-steps")
def two_steps(size: int = 3, secret: str = "azcreds", memory: str = "1Gi"):
    first = make(size=size).set_memory_limit(memory)
    with dsl.If(first.outputs["Output"] == "made"):
        second = use(made=first.outputs["made"], word=first.outputs["Output"])
        kubernetes.use_secret_as_env(second, secret_name=secret, secret_key_to_env={"A": "A"})


@pytest.fixture(scope="module")
def compiled_documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    package = tmp_path_factory.mktemp("two") / "two.yaml"
    compiler.Compiler().compile(two_steps, str(package))
    return list(yaml.safe_load_all(package.read_text()))


@pytest.fixture
def documents(compiled_documents: list[dict]) -> list[dict]:
    return copy.deepcopy(compiled_documents)


def written(folder: Path, documents: list[dict]) -> Path:
    path = folder / "changed.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return path


def break_task_input(pipeline: dict, platform: dict) -> None:
    pipeline["root"]["dag"]["tasks"]["make"]["inputs"]["parameters"]["size"] = {"componentInputParameter": "gone"}


def break_argument_name(pipeline: dict, platform: dict) -> None:
    inputs = pipeline["root"]["dag"]["tasks"]["make"]["inputs"]["parameters"]
    inputs["sizes"] = inputs.pop("size")


def break_producer(pipeline: dict, platform: dict) -> None:
    condition = pipeline["root"]["dag"]["tasks"]["condition-1"]["inputs"]["parameters"]
    next(iter(condition.values()))["taskOutputParameter"]["producerTask"] = "nobody"


def break_output_key(pipeline: dict, platform: dict) -> None:
    condition = pipeline["root"]["dag"]["tasks"]["condition-1"]["inputs"]["artifacts"]
    next(iter(condition.values()))["taskOutputArtifact"]["outputArtifactKey"] = "nothing"


def break_dependency(pipeline: dict, platform: dict) -> None:
    pipeline["root"]["dag"]["tasks"]["condition-1"]["dependentTasks"] = ["nobody"]


def break_component(pipeline: dict, platform: dict) -> None:
    pipeline["root"]["dag"]["tasks"]["make"]["componentRef"]["name"] = "comp-nothing"


def break_executor(pipeline: dict, platform: dict) -> None:
    pipeline["components"]["comp-make"]["executorLabel"] = "exec-nothing"


def break_platform(pipeline: dict, platform: dict) -> None:
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    executors["exec-nothing"] = executors.pop("exec-use")


def break_secret_name(pipeline: dict, platform: dict) -> None:
    condition = pipeline["components"]["comp-condition-1"]["inputDefinitions"]["parameters"]
    del condition["pipelinechannel--secret"]
    del pipeline["root"]["dag"]["tasks"]["condition-1"]["inputs"]["parameters"]["pipelinechannel--secret"]


def break_limit(pipeline: dict, platform: dict) -> None:
    resources = pipeline["deploymentSpec"]["executors"]["exec-make"]["container"]["resources"]
    resources["resourceMemoryLimit"] = "{{$.inputs.parameters['pipelinechannel--gone']}}"


def break_image(pipeline: dict, platform: dict) -> None:
    container = pipeline["deploymentSpec"]["executors"]["exec-make"]["container"]
    container["image"] = "{{$.inputs.parameters['pipelinechannel--gone']}}"


def break_limits_parameter(pipeline: dict, platform: dict) -> None:
    del pipeline["root"]["dag"]["tasks"]["make"]["inputs"]["parameters"]["pipelinechannel--memory"]


def break_text(pipeline: dict, platform: dict) -> None:
    inputs = pipeline["root"]["dag"]["tasks"]["make"]["inputs"]["parameters"]
    inputs["size"] = {"runtimeValue": {"constant": "no. {{$.inputs.parameters['pipelinechannel--gone']}}"}}


def break_extra_input(pipeline: dict, platform: dict) -> None:
    inputs = pipeline["root"]["dag"]["tasks"]["make"]["inputs"]["parameters"]
    inputs["pipelinechannel--spare"] = {"componentInputParameter": "memory"}


def test_a_sound_pipeline_passes(tmp_path: Path, documents: list[dict]) -> None:
    validate_compiled(written(tmp_path, documents))


@pytest.mark.parametrize(
    ("breakage", "named"),
    [
        (break_task_input, "gone"),
        (break_argument_name, "sizes"),
        (break_producer, "nobody"),
        (break_output_key, "nothing"),
        (break_dependency, "nobody"),
        (break_component, "comp-nothing"),
        (break_executor, "exec-nothing"),
        (break_platform, "exec-nothing"),
        (break_secret_name, "pipelinechannel--secret"),
        (break_limit, "pipelinechannel--gone"),
        (break_image, "pipelinechannel--gone"),
        (break_limits_parameter, "pipelinechannel--memory"),
        (break_text, "pipelinechannel--gone"),
        (break_extra_input, "pipelinechannel--spare"),
    ],
)
def test_a_reference_to_nothing_is_found_and_named(tmp_path: Path, documents: list[dict], breakage, named: str) -> None:
    before = copy.deepcopy(documents)
    breakage(*documents)
    assert documents != before
    assert any(named in message for message in dangling_references(*documents))
    with pytest.raises(PipelineError, match=named):
        validate_compiled(written(tmp_path, documents))


def test_a_field_that_kubeflow_does_not_know_is_refused(tmp_path: Path, documents: list[dict]) -> None:
    documents[0]["root"]["dag"]["tasks"]["make"]["retries"] = 3
    with pytest.raises(PipelineError, match="retries"):
        validate_compiled(written(tmp_path, documents))


def test_a_kubernetes_setting_that_kubeflow_does_not_know_is_refused(tmp_path: Path, documents: list[dict]) -> None:
    executors = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    executors["exec-use"]["secretAsEnvs"] = []
    with pytest.raises(PipelineError, match="secretAsEnvs"):
        validate_compiled(written(tmp_path, documents))


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "a: b\n", "a: [", "---\n{}\n---\n{}\n---\n{}\n"])
def test_what_is_no_compiled_pipeline_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "no.yaml").write_text(text)
    with pytest.raises(PipelineError, match=r"no\.yaml") as failure:
        validate_compiled(tmp_path / "no.yaml")
    assert "\n" not in str(failure.value)


def places(value: object, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """Return the place of everything in a document, outside of the components' code."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from places(inner, *path, key)


@pytest.mark.parametrize("left", ["nothing", None, {}, [], "x"], ids=str)
def test_a_pipeline_that_was_cut_or_edited_is_one_line_or_valid(
    tmp_path: Path, documents: list[dict], left: object
) -> None:
    """Whatever is gone: a user's file is read by other code after it was checked."""
    for *way, last in [place for place in places(documents[0]) if place]:
        changed = copy.deepcopy(documents)
        parent = reduce(getitem, way, changed[0])
        if left == "nothing":
            del parent[last]
        else:
            parent[last] = left
        path = written(tmp_path, changed)
        failure = ""
        try:
            compile_pipeline(path, tmp_path / "o.yaml", PipelineOptions())
            check_complete({}, declared_parameters(path))
            check_absent_values(read_compiled(path), {})
        except PipelineError as error:
            failure = str(error)
        assert "\n" not in failure
