"""Wrong settings of train are named before a pipeline starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kfp_azureml.compiling.documents import Compiled, read_compiled
from kfp_azureml.compiling.options import PipelineOptions
from kfp_azureml.compiling.sources import shipped_pipelines
from kfp_azureml.compiling.submission import compiled_pipeline, pipeline_arguments
from kfp_azureml.compiling.training_settings import check_training_settings
from kfp_azureml.runtime.errors import PipelineError, TrainingError

SHIPPED = str(shipped_pipelines() / "image_classification.py")
CHECKPOINT = {"checkpoint": "s3://mlpipeline/checkpoints/first"}
OWN = """
from kfp import dsl
from kfp_azureml.components import prep, train

@dsl.component(base_image="python:3.11")
def choose() -> str:
    return "lean"

@dsl.pipeline(name="own")
def own(input_data: str, epochs: int = {epochs}):
    prepared = prep(input_data=input_data)
    train(input_data=prepared.outputs["training_data"], epochs=epochs, architecture={architecture})
"""


@pytest.fixture(scope="module", params=[1, 2], ids=["train", "train_distributed"])
def shipped(request: pytest.FixtureRequest) -> Any:
    with compiled_pipeline(SHIPPED, PipelineOptions(train_workers=request.param)) as package:
        yield read_compiled(package)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"architecture": "mobilenetv3"}, "architecture is 'mobilenetv3'; must be lean, "),
        ({"epochs": 0}, "epochs is 0"),
        ({"augment": ["flip"]}, "augment has 'flip'"),
        ({"class_weights": "yes"}, "class_weights is 'yes'"),
        ({"initial_weights": "w.h5"}, "architecture lean takes none"),
    ],
)
def test_a_wrong_value_is_named(shipped: Compiled, given: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        check_training_settings(shipped, {**CHECKPOINT, **given})


def test_right_values_are_accepted(shipped: Compiled) -> None:
    check_training_settings(shipped, CHECKPOINT)
    check_training_settings(
        shipped, {**CHECKPOINT, "architecture": "my_networks:build", "augment": ["none"], "patience": 3}
    )


def own(tmp_path: Path, epochs: int, architecture: str) -> None:
    source = tmp_path / "own.py"
    source.write_text(OWN.format(epochs=epochs, architecture=architecture), encoding="utf-8")
    with compiled_pipeline(str(source), PipelineOptions()) as package:
        pipeline_arguments(package, {"input_data": "photos"})


def test_constants_and_defaults_of_own_pipelines_are_checked_too(tmp_path: Path) -> None:
    own(tmp_path, 1, "'original'")
    with pytest.raises(TrainingError, match="architecture is 'resnet'"):
        own(tmp_path, 1, "'resnet'")
    with pytest.raises(TrainingError, match="epochs is 0"):
        own(tmp_path, 0, "'original'")


def test_what_another_step_decides_is_not_checked(tmp_path: Path) -> None:
    own(tmp_path, 0, "choose().output")


def test_several_workers_need_a_checkpoint() -> None:
    with compiled_pipeline(SHIPPED, PipelineOptions(train_workers=2)) as package:
        given = {"resource_group": "g", "workspace": "w"}
        with pytest.raises(PipelineError, match="missing parameter checkpoint"):
            pipeline_arguments(package, given)
        pipeline_arguments(package, {**given, **CHECKPOINT})
