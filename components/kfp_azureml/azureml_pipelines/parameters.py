"""Convert KFP parameters to primitive inputs and outputs of Azure ML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kfp_azureml.azureml_pipelines.in_job.job_text import decode, encode
from kfp_azureml.compiling.numbers import whole_numbers

PRIMITIVES = {
    "NUMBER_INTEGER": "integer",
    "NUMBER_DOUBLE": "number",
    "BOOLEAN": "boolean",
    "STRING": "string",
    "LIST": "string",
    "STRUCT": "string",
}
"""Azure ML's types by KFP's types; lists and objects are JSON."""


def as_primitive(value: object, kind: str) -> int | float | bool | str | None:
    """Return a value as an Azure ML literal, see `job_text`; None for None.

    Args:
        value: A parameter's value.
        kind: Its KFP type, such as `NUMBER_INTEGER`.
    """
    if value is None:
        return None
    if kind == "NUMBER_INTEGER":
        return int(float(str(value)))
    if kind in ("LIST", "STRUCT"):
        return str(encode(json.dumps(whole_numbers(value), ensure_ascii=False)))
    if kind == "NUMBER_DOUBLE":
        return float(str(value))
    if kind == "BOOLEAN":
        return bool(value)
    return str(encode(value if isinstance(value, str) else json.dumps(value)))


def default_of(parameter: Mapping[str, Any]) -> int | float | bool | str | None:
    """Return the default for Azure ML's component; None for an encoded one, which the job sets itself."""
    default = as_primitive(parameter.get("defaultValue"), parameter["parameterType"])
    return None if isinstance(default, str) and decode(default) != default else default


def is_optional(parameter: Mapping[str, Any]) -> bool:
    """Tell whether the input is optional in Azure ML, so that the command may lack it."""
    return bool(parameter.get("isOptional")) and default_of(parameter) is None
