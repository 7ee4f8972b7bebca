"""KFP's parameters as Azure ML's primitive inputs and outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kfp_azureml.compiling.numbers import whole_numbers

PRIMITIVES = {
    "NUMBER_INTEGER": "integer",
    "NUMBER_DOUBLE": "number",
    "BOOLEAN": "boolean",
    "STRING": "string",
    "LIST": "string",
    "STRUCT": "string",
}
"""Azure ML's type for each of KFP's; lists and objects are JSON."""


def as_primitive(value: object, kind: str) -> int | float | bool | str | None:
    """Return a value as Azure ML takes it; None: it does not, since it is empty.

    Args:
        value: A value of a parameter.
        kind: KFP's name of its type, such as `NUMBER_INTEGER`.

    Raises:
        ValueError: If it cannot be put into a shell command between single quotes.
    """
    if value is None:
        return None
    if kind == "NUMBER_INTEGER":
        return int(float(str(value)))
    if kind in ("LIST", "STRUCT"):
        return json.dumps(whole_numbers(value))
    if kind == "NUMBER_DOUBLE":
        return float(str(value))
    if kind == "BOOLEAN":
        return bool(value)
    text = value if isinstance(value, str) else json.dumps(value)
    if "'" in text or "\n" in text:
        raise ValueError("a quote (') or a line break")
    return text or None


def default_of(parameter: Mapping[str, Any]) -> int | float | bool | str | None:
    """Return the default that Azure ML is told of; the others are left to the job, which knows them too."""
    try:
        return as_primitive(parameter.get("defaultValue"), parameter["parameterType"])
    except ValueError:
        return None


def is_optional(parameter: Mapping[str, Any]) -> bool:
    """Say whether Azure ML may be given nothing, and the command then lacks the input."""
    return bool(parameter.get("isOptional")) and default_of(parameter) is None
