"""Pipeline parameters as a user types them."""

import pytest

from kfp_azureml.compiling.parameters import Parameter, check_complete, parse_values
from kfp_azureml.runtime.errors import PipelineError

DECLARED = {
    "name": Parameter("STRING"),
    "epochs": Parameter("NUMBER_INTEGER", default=10.0),
    "least": Parameter("NUMBER_DOUBLE", default=0.0),
    "flip": Parameter("BOOLEAN", default=False),
    "classes": Parameter("LIST", default=[]),
}


def test_values_take_the_declared_type() -> None:
    typed = {"name": "5", "epochs": "5", "least": "0.5", "flip": "true", "classes": '["a", "b"]'}
    assert parse_values(typed, DECLARED) == {
        "name": "5",
        "epochs": 5,
        "least": 0.5,
        "flip": True,
        "classes": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", "many"), ("least", ""), ("classes", "a,b"), ("flip", "maybe"), ("flip", "1"), ("least", "nan")],
)
def test_a_value_of_another_type_is_one_line_that_names_it(name: str, value: str) -> None:
    with pytest.raises(PipelineError, match=f"parameter {name}"):
        parse_values({name: value}, DECLARED)


@pytest.mark.parametrize("value", ["[NaN]", "[1e999]", '[{"a": -Infinity}]', '["\\ud800"]', "[" * 100_000])
def test_what_no_json_carries_is_one_short_line(value: str) -> None:
    with pytest.raises(PipelineError, match="parameter classes: expected a JSON list") as failure:
        parse_values({"classes": value}, DECLARED)
    assert len(str(failure.value)) < 300


def test_bytes_that_are_no_text_are_one_line() -> None:
    with pytest.raises(PipelineError, match="parameter name: expected text in UTF-8"):
        parse_values({"name": b"a\xff".decode(errors="surrogateescape")}, DECLARED)


def test_an_unknown_parameter_is_one_line_that_names_those_there_are() -> None:
    with pytest.raises(PipelineError, match="'epoch'; it has classes, epochs"):
        parse_values({"epoch": "1"}, DECLARED)


def test_a_parameter_without_a_value_is_named_and_falsy_defaults_are_values() -> None:
    check_complete({"name": "x"}, DECLARED)
    with pytest.raises(PipelineError, match="missing parameter name:"):
        check_complete({}, DECLARED)
