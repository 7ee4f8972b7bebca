"""A compiled pipeline's parameters, and their values as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from kfp_azureml.compiling.documents import read_compiled
from kfp_azureml.runtime.errors import PipelineError

_SHOWN_CHARACTERS = 80  # of a wrong value


def _text(typed: str) -> str:
    typed.encode()  # bytes of the command line that are not UTF-8 are lone surrogates, which no JSON carries
    return typed


def _json(typed: str) -> Any:
    """Parse JSON that Kubeflow takes, too: no NaN and Infinity, of which Python reads and writes more than JSON has."""
    try:
        value = json.loads(typed)
        _text(json.dumps(value, allow_nan=False, ensure_ascii=False))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


# How each of KFP's parameter types is read, what has to come of it, and how that is said to a person.
_READ: dict[str, tuple[Callable[[str], Any], type, str]] = {
    "STRING": (_text, str, "text in UTF-8"),
    "NUMBER_INTEGER": (int, int, "a whole number"),
    "NUMBER_DOUBLE": (float, float, "a number"),
    "BOOLEAN": (_json, bool, "true or false"),
    "LIST": (_json, list, 'a JSON list, such as ["cat", "dog"]'),
    "STRUCT": (_json, dict, 'a JSON object, such as {"team": "vision"}'),
}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a compiled pipeline.

    Attributes:
        type: KFP's name of its type, such as `NUMBER_INTEGER`.
        default: The value it has when none is given; None: it has none.
        optional: Whether it needs no value: without one and without a default, steps get None.
    """

    type: str
    default: Any = None
    optional: bool = False


def declared_parameters(compiled: Path) -> dict[str, Parameter]:
    """Return the parameters of a compiled and valid pipeline, by name."""
    parameters = read_compiled(compiled).pipeline["root"].get("inputDefinitions", {}).get("parameters", {})
    return {
        name: Parameter(definition["parameterType"], definition.get("defaultValue"), bool(definition.get("isOptional")))
        for name, definition in parameters.items()
    }


def parse_values(typed: Mapping[str, str], declared: Mapping[str, Parameter]) -> dict[str, Any]:
    """Turn typed values into those the pipeline wants.

    Args:
        typed: What the user typed, by the parameter's name.
        declared: The pipeline's parameters, by name.

    Returns:
        The values by name. `null`, for one that is optional, has no default and is no text, stands for none: on
        Kubeflow a run is not given None either, but no value.

    Raises:
        PipelineError: If there is no such parameter, or the value is not of its type.
    """
    values = {}
    for name, text in typed.items():
        if name not in declared:
            raise PipelineError(f"the pipeline has no parameter {name!r}; it has {', '.join(sorted(declared))}")
        parameter = declared[name]
        if text == "null" and parameter.optional and parameter.default is None and parameter.type != "STRING":
            continue
        values[name] = _parse(name, text, parameter.type)
    return values


def check_complete(arguments: Mapping[str, Any], declared: Mapping[str, Parameter]) -> None:
    """Check that every parameter that needs a value has one.

    Raises:
        PipelineError: If one has none.
    """
    missing = [
        name
        for name, parameter in declared.items()
        if parameter.default is None and not parameter.optional and name not in arguments
    ]
    if missing:
        raise PipelineError(f"the pipeline needs a value for {', '.join(missing)}: give it with --param NAME=VALUE")


def _parse(name: str, text: str, kind: str) -> object:
    read, wanted, words = _READ[kind]
    try:
        value = read(text)
    except ValueError:
        value = None
    if not isinstance(value, wanted) or (isinstance(value, float) and not isfinite(value)):
        shown = repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}...")
        raise PipelineError(f"parameter {name}: expected {words}, not {shown}")
    return value
