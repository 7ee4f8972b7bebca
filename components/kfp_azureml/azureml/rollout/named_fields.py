"""Validate the fields of a parameter that is a dictionary."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from kfp_azureml.runtime.errors import DeploymentError


def read_fields(parameter: str, value: object, fields: Collection[str]) -> dict[str, Any]:
    """Return a parameter's fields, without those that are null.

    Raises:
        DeploymentError: If it is not a dictionary, or has other fields.
    """
    if not isinstance(value, dict):
        raise DeploymentError(f"{parameter} {_shown(value)}: must be a dictionary with {', '.join(fields)}")
    unknown = next((name for name in value if name not in fields), None)
    if unknown is not None:
        raise DeploymentError(f"{parameter}: unknown field {_shown(unknown)}; known are {', '.join(fields)}")
    return {name: field for name, field in value.items() if field is not None}


def read_whole(where: str, value: object, lowest: int, highest: int | None = None) -> int:
    """Return a whole number, which kfp.local may have turned into a float.

    Raises:
        DeploymentError: If it is something else or out of range.
    """
    bounds = f"{lowest} or more" if highest is None else f"{lowest} to {highest}"
    is_whole = type(value) is int or (type(value) is float and math.isfinite(value) and value.is_integer())
    if not is_whole or not lowest <= int(value) <= (highest if highest is not None else MOST):  # type: ignore[call-overload]
        raise DeploymentError(f"{where} {_shown(value)}: must be a whole number, {bounds}")
    return int(value)  # type: ignore[call-overload, no-any-return]


MOST = 1_000_000
"""Of any number here; larger ones are mistakes, or do not fit into Azure's durations."""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]} ..."
