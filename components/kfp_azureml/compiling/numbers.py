"""Whole numbers in pipelines: protobuf and YAML store them as floats, 20 as 20.0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kfp_azureml.runtime.errors import PipelineError

MAX_WHOLE_NUMBER = 2**53 - 1
"""Above this value different whole numbers have the same float."""

_MAX_PLAIN = 1e21
"""From this value on Kubeflow writes an exponent, which Python reads as a float."""


def whole_numbers(value: Any) -> Any:
    """Convert whole numbers to ints, also in lists and objects, as Kubeflow does in JSON.

    Args:
        value: Any JSON value.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_PLAIN:
        return int(value)
    if isinstance(value, dict):
        return {name: whole_numbers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [whole_numbers(each) for each in value]
    return value


def check_whole_numbers(name: str, value: Any) -> None:
    """Check that Kubeflow keeps all digits of the ints in a parameter's value.

    Args:
        name: The parameter.
        value: Its value.

    Raises:
        PipelineError: If one would be rounded.
    """
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            check_whole_numbers(name, each)
    elif isinstance(value, int) and abs(value) > MAX_WHOLE_NUMBER:
        raise PipelineError(f"parameter {name}: {_too_large(value)}")


def rounded_numbers(pipeline: dict[str, Any]) -> Iterator[str]:
    """Find the integer parameters whose default or constant is too large to be exact.

    Args:
        pipeline: The pipeline's document (`PipelineSpec`).

    Yields:
        A message for each one.
    """
    components = pipeline.get("components", {})
    for name, component in {"root": pipeline["root"], **components}.items():
        for parameter, about in _integers(component).items():
            if _is_too_large(value := about.get("defaultValue")):
                yield f"default of parameter {parameter} of {name}: {_too_large(value)}"
        for task_name, task in component.get("dag", {}).get("tasks", {}).items():
            integers = _integers(components.get(task["componentRef"]["name"], {}))
            for parameter, given in task.get("inputs", {}).get("parameters", {}).items():
                value = given.get("runtimeValue", {}).get("constant")
                if parameter in integers and _is_too_large(value):
                    yield f"parameter {parameter} of task {task_name}: {_too_large(value)}"


def _integers(component: dict[str, Any]) -> dict[str, Any]:
    parameters = component.get("inputDefinitions", {}).get("parameters", {})
    return {name: about for name, about in parameters.items() if about.get("parameterType") == "NUMBER_INTEGER"}


def _is_too_large(value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) > MAX_WHOLE_NUMBER


def _too_large(value: float) -> str:
    return f"Kubeflow rounds whole numbers above {MAX_WHOLE_NUMBER}, such as {value:.0f}: use a string"
