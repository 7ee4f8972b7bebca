"""KFP components as Azure ML components."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from azure.ai.ml import load_component
from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Output

from kfp_azureml.azureml_pipelines.definition import Definition
from kfp_azureml.azureml_pipelines.spec import component_spec
from kfp_azureml.azureml_pipelines.suite import suite_spec, suite_specs
from kfp_azureml.compiling.gpu import Gpu
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.runtime.errors import PipelineError
from kfp_azureml.steps.names import component_names

Define = Callable[[Any], Definition]


@dsl.component(base_image="example.azurecr.io/team/tools:7", install_kfp_package=False)
def everything(
    data: Input[Dataset],
    table: Output[Dataset],
    page: Output[HTML],
    metrics: Output[Metrics],
    count: int,
    fraction: float = 0.5,
    name: str = "lean",
    empty: str = "",
    quoted: str = "it's",
    flag: bool = False,
    names: list = ["a"],  # noqa: B006
    tags: dict = {},  # noqa: B006
    more: Input[Artifact] = None,
) -> NamedTuple("Outputs", [("rows", int), ("share", float), ("word", str), ("ok", bool), ("list", list)]):
    """Do everything.

    Args:
        data: What comes
            in.
        table: What comes out.
        count: How many.

    Returns:
        Some values.
    """


def test_types_defaults_and_words_are_carried_over(definition: Define) -> None:
    document = component_spec(definition(everything), display_name="Everything", version="1.2.3").document
    assert document["name"] == "everything"
    assert document["version"] == "1.2.3"
    assert document["display_name"] == "Everything"
    assert document["description"] == "Do everything."
    assert document["environment"] == {"image": "example.azurecr.io/team/tools:7"}
    assert document["inputs"] == {
        "data": {"type": "uri_folder", "mode": "download", "description": "What comes in."},
        "more": {"type": "uri_folder", "mode": "download", "optional": True},
        "count": {"type": "integer", "description": "How many."},
        "empty": {"type": "string", "optional": True},
        "flag": {"type": "boolean", "default": False},
        "fraction": {"type": "number", "default": 0.5},
        "name": {"type": "string", "default": "lean"},
        "names": {"type": "string", "default": '["a"]'},
        "quoted": {"type": "string", "optional": True},
        "tags": {"type": "string", "default": "{}"},
    }
    folder = {"type": "uri_folder", "mode": "upload"}
    assert {name: {**each, "description": ""} for name, each in document["outputs"].items()} == {
        name: {**kind, "description": ""}
        for name, kind in {
            "metrics": folder,
            "page": folder,
            "table": folder,
            "list": {"type": "string"},
            "ok": {"type": "boolean"},
            "rows": {"type": "integer"},
            "share": {"type": "number"},
            "word": {"type": "string"},
        }.items()
    }
    assert document["outputs"]["table"]["description"] == "What comes out."
    assert document["outputs"]["rows"]["description"] == "Some values."


def test_the_command_names_folders_and_outputs_and_no_value(definition: Define) -> None:
    command = component_spec(definition(everything)).document["command"]
    inputs, outputs = command.split(" --outputs ")
    assert inputs == "python3 run_component.py --inputs 'data=${{inputs.data}}' $[['more=${{inputs.more}}']]"
    assert outputs.split()[0] == "'metrics=${{outputs.metrics}}'"
    assert "'rows=${{outputs.rows}}'" in outputs.split()


def test_no_component_of_ours_has_a_value_in_its_command() -> None:
    for spec in suite_specs():
        folders = {name for name, each in spec.document["inputs"].items() if each["type"] == "uri_folder"}
        assert set(re.findall(r"inputs\.(\w+)", spec.document["command"])) == folders


def test_the_sdk_takes_it_with_its_code(definition: Define, tmp_path: Path) -> None:
    path = component_spec(definition(everything)).write(tmp_path)
    component = load_component(path)
    assert component._validate().passed
    assert sorted(component.inputs) == sorted(yaml.safe_load(path.read_text())["inputs"])
    code = (tmp_path / component.code).resolve()
    assert (code / "run_component.py").is_file()
    assert component.additional_includes == ["azureml.json"]


def test_the_suites_components_say_who_they_are_and_what_may_be_reused() -> None:
    specs = {spec.name: spec.document for spec in suite_specs()}
    assert list(specs) == component_names()
    for name, document in specs.items():
        assert document["display_name"]
        assert document["description"]
        # A model version, which aml_live_model reads, never changes.
        acts_elsewhere = name.startswith(("aml_", "databricks_")) and name != "aml_live_model"
        assert document["is_deterministic"] is not acts_elsewhere
        assert document["environment"]["image"].startswith("kfp-azureml/")


def test_the_images_are_those_that_were_chosen() -> None:
    options = PipelineOptions(registry="example.azurecr.io/team", tag="7", gpu=Gpu(1))
    images = {
        name: suite_spec(name, options).document["environment"]["image"]
        for name in ("prep", "train", "aml_register_model")
    }
    assert images == {
        "prep": "example.azurecr.io/team/ml:7",
        "train": "example.azurecr.io/team/ml-gpu:7",
        "aml_register_model": "example.azurecr.io/team/azure:7",
    }


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def in_the_end(status: dsl.PipelineTaskFinalStatus) -> None: ...


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def of_many(tables: Input[list[Dataset]]) -> None: ...


@pytest.mark.parametrize(
    ("component", "refusal"),
    [
        (in_the_end, "in_the_end: cannot run on Azure ML: its input status is the run's final status"),
        (of_many, "of_many: cannot run on Azure ML: tables is a list of artifacts"),
    ],
)
def test_what_cannot_be_carried_over_is_refused(definition: Define, component: Any, refusal: str) -> None:
    with pytest.raises(PipelineError, match=refusal):
        definition(component)
