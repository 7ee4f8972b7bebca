"""Whole numbers of compiled pipelines, which protobuf and YAML carry as floats: 20 as 20.0."""

from __future__ import annotations

from typing import Any

_MAX_DIGITS = 1e21
"""From here on Kubeflow writes a number with an exponent, which Python reads as a float."""


def whole_numbers(value: Any) -> Any:
    """Return a value whose whole numbers are ints, in its lists and objects too, as Kubeflow writes them to JSON.

    Args:
        value: A value of a parameter, or any other that JSON can say.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_DIGITS:
        return int(value)
    if isinstance(value, dict):
        return {name: whole_numbers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [whole_numbers(each) for each in value]
    return value
