"""Pipeline parameters as a user types them."""

import pytest

from kfp_azureml.errors import PipelineError
from kfp_azureml.local.parameters import parse_values

DECLARED = {
    "name": "STRING",
    "epochs": "NUMBER_INTEGER",
    "least": "NUMBER_DOUBLE",
    "flip": "BOOLEAN",
    "classes": "LIST",
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
    ("name", "value"), [("epochs", "many"), ("least", ""), ("classes", "a,b"), ("flip", "maybe"), ("flip", "1")]
)
def test_a_value_of_another_type_is_one_line_that_names_it(name: str, value: str) -> None:
    with pytest.raises(PipelineError, match=f"parameter {name}"):
        parse_values({name: value}, DECLARED)


def test_an_unknown_parameter_is_one_line_that_names_those_there_are() -> None:
    with pytest.raises(PipelineError, match="'epoch'; it has classes, epochs"):
        parse_values({"epoch": "1"}, DECLARED)
