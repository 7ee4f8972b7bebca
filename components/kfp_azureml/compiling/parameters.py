"""Parse the parameter values of a compiled pipeline as typed by a user."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from kfp_azureml.compiling.documents import read_compiled
from kfp_azureml.compiling.numbers import check_whole_numbers
from kfp_azureml.runtime.errors import PipelineError

_SHOWN_CHARACTERS = 80  # of a wrong value


def _text(typed: str) -> str:
    typed.encode()  # raises for bytes of the command line that are not UTF-8, which JSON cannot represent
    return typed


def _json(typed: str) -> Any:
    """Parse strict JSON: reject NaN and Infinity, which Python accepts."""
    try:
        value = json.loads(typed)
        _text(json.dumps(value, allow_nan=False, ensure_ascii=False))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


# Parser, Python type and description of each KFP parameter type.
_TYPES: dict[str, tuple[Callable[[str], Any], type, str]] = {
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
        type: KFP's type name, such as `NUMBER_INTEGER`.
        default: The default; None if it has none.
        optional: Whether it may have neither value nor default; steps then get None.
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
    """Convert typed values to the types of the pipeline's parameters.

    Args:
        typed: Values as typed, by parameter name.
        declared: The pipeline's parameters by name.

    Returns:
        The values by name. `null` omits an optional parameter without a default, except for a string.

    Raises:
        PipelineError: If a parameter does not exist, or a value has the wrong type or too many digits.
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
    """Check that every required parameter has a value.

    Raises:
        PipelineError: If one is missing.
    """
    missing = [
        name
        for name, parameter in declared.items()
        if parameter.default is None and not parameter.optional and name not in arguments
    ]
    if missing:
        raise PipelineError(
            f"missing parameter{'s' if len(missing) > 1 else ''} {', '.join(missing)}: set --param {missing[0]}=VALUE"
        )


def _parse(name: str, text: str, kind: str) -> object:
    parse, wanted, words = _TYPES[kind]
    try:
        value = parse(text)
    except ValueError:
        value = None
    if not isinstance(value, wanted) or (isinstance(value, float) and not isfinite(value)):
        shown = repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}...")
        raise PipelineError(f"parameter {name}: expected {words}, not {shown}")
    check_whole_numbers(name, value)
    return value
