"""A compiled pipeline's parameters, and their values as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from kfp_azureml.compiling.documents import read_compiled
from kfp_azureml.errors import PipelineError

# How each of KFP's parameter types is read, what has to come of it, and how that is said to a person.
_READ: dict[str, tuple[Callable[[str], Any], type, str]] = {
    "STRING": (str, str, "text"),
    "NUMBER_INTEGER": (int, int, "a whole number"),
    "NUMBER_DOUBLE": (float, float, "a number"),
    "BOOLEAN": (json.loads, bool, "true or false"),
    "LIST": (json.loads, list, 'a JSON list, such as ["cat", "dog"]'),
    "STRUCT": (json.loads, dict, 'a JSON object, such as {"team": "vision"}'),
}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a compiled pipeline.

    Attributes:
        type: KFP's name of its type, such as `NUMBER_INTEGER`.
        default: The value it has when none is given; None: one has to be given.
    """

    type: str
    default: Any = None


def declared_parameters(compiled: Path) -> dict[str, Parameter]:
    """Return the parameters of a compiled and valid pipeline, by name."""
    parameters = read_compiled(compiled).pipeline["root"].get("inputDefinitions", {}).get("parameters", {})
    return {
        name: Parameter(definition["parameterType"], definition.get("defaultValue"))
        for name, definition in parameters.items()
    }


def parse_values(typed: Mapping[str, str], declared: Mapping[str, Parameter]) -> dict[str, Any]:
    """Turn typed values into those the pipeline wants.

    Args:
        typed: What the user typed, by the parameter's name.
        declared: The pipeline's parameters, by name.

    Raises:
        PipelineError: If there is no such parameter, or the value is not of its type.
    """
    values = {}
    for name, text in typed.items():
        if name not in declared:
            raise PipelineError(f"the pipeline has no parameter {name!r}; it has {', '.join(sorted(declared))}")
        values[name] = _parse(name, text, declared[name].type)
    return values


def check_complete(arguments: Mapping[str, Any], declared: Mapping[str, Parameter]) -> None:
    """Check that every parameter has a value.

    Raises:
        PipelineError: If one has none.
    """
    missing = [name for name, parameter in declared.items() if parameter.default is None and name not in arguments]
    if missing:
        raise PipelineError(f"the pipeline needs a value for {', '.join(missing)}: give it with --param NAME=VALUE")


def _parse(name: str, text: str, kind: str) -> object:
    read, wanted, words = _READ[kind]
    try:
        value = read(text)
    except ValueError:
        value = None
    if not isinstance(value, wanted) or (isinstance(value, float) and not isfinite(value)):
        raise PipelineError(f"parameter {name}: expected {words}, not {text!r}")
    return value
