"""Whole numbers that Kubeflow would round, since its protobufs hold floats, are refused."""

from pathlib import Path

import pytest
from kfp import compiler, dsl

from kfp_azureml.compiling.numbers import MAX_WHOLE_NUMBER, check_whole_numbers
from kfp_azureml.compiling.parameters import Parameter, parse_values
from kfp_azureml.compiling.submission import pipeline_arguments
from kfp_azureml.compiling.validation import validate_compiled
from kfp_azureml.runtime.errors import PipelineError

LARGE = 2**53 + 1


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def take(number: int):
    """Do nothing with a number."""


def compiled(folder: Path, default: int | None = None, constant: int | None = None) -> Path:
    @dsl.pipeline(name="p")
    def pipeline(number: int = default or 0):
        take(number=constant or number)

    compiler.Compiler().compile(pipeline, str(folder / "p.yaml"))
    return folder / "p.yaml"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("NUMBER_INTEGER", str(LARGE)),
        ("NUMBER_INTEGER", str(-LARGE)),
        ("LIST", f"[1, [{LARGE}]]"),
        ("STRUCT", f'{{"a": {{"b": [{LARGE}]}}}}'),
    ],
)
def test_a_typed_number_that_would_be_rounded_is_refused(kind: str, text: str) -> None:
    with pytest.raises(PipelineError, match=rf"^parameter n: Kubeflow rounds whole numbers above {MAX_WHOLE_NUMBER}"):
        parse_values({"n": text}, {"n": Parameter(kind)})


def test_a_number_from_python_that_would_be_rounded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"^parameter number: Kubeflow rounds"):
        pipeline_arguments(compiled(tmp_path), {}, {"number": LARGE})


@pytest.mark.parametrize("value", [MAX_WHOLE_NUMBER, -MAX_WHOLE_NUMBER, 1e300, str(LARGE), True, None, [0.5]])
def test_other_values_are_kept(value: object) -> None:
    check_whole_numbers("n", {"a": [value]})


@pytest.mark.parametrize(
    ("numbers", "where"),
    [
        ({"default": LARGE}, "default of parameter number of root"),
        ({"constant": LARGE}, "parameter number of task take"),
    ],
)
def test_a_compiled_number_that_was_rounded_is_refused(tmp_path: Path, numbers: dict[str, int], where: str) -> None:
    with pytest.raises(PipelineError, match=f"{where}: Kubeflow rounds whole numbers above"):
        validate_compiled(compiled(tmp_path, **numbers))
    validate_compiled(compiled(tmp_path, default=MAX_WHOLE_NUMBER, constant=-MAX_WHOLE_NUMBER))
