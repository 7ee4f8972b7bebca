"""Make kfp.local pass values to steps as Kubeflow does: ints as ints, None as no value.

kfp.local reads protobuf's numbers as floats, so that a step gets `[1.0, 2.0]` for `[1, 2]` and "20.0" in a text with an
int. It also fails for an optional parameter without a value, and for a null in a list or an object.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kfp_azureml.compiling.numbers import whole_numbers


def patch_parameter_values() -> None:
    """Patch kfp.local in this process."""
    from kfp.compiler import pipeline_spec_builder
    from kfp.local import executor_input_utils, executor_output_utils

    pipeline_spec_builder.to_protobuf_value = _with_null(pipeline_spec_builder.to_protobuf_value)
    executor_output_utils.pb2_value_to_python = _read(executor_output_utils.pb2_value_to_python)
    executor_input_utils.construct_executor_input = _without_none(executor_input_utils.construct_executor_input)
    executor_input_utils.executor_input_to_dict = _as_on_kubeflow(executor_input_utils.executor_input_to_dict)


def _read(of_kfp: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def value_to_python(value: Any) -> Any:
        return None if value.WhichOneof("kind") is None else whole_numbers(of_kfp(value))

    return value_to_python


def _with_null(of_kfp: Callable[[Any], Any]) -> Callable[[Any], Any]:
    from google.protobuf.struct_pb2 import NULL_VALUE, Value

    # kfp's own calls this one for what is in lists and objects.
    return lambda value: Value(null_value=NULL_VALUE) if value is None else of_kfp(value)


def _without_none(of_kfp: Callable[..., Any]) -> Callable[..., Any]:
    def construct_executor_input(*, arguments: dict[str, Any], **rest: Any) -> Any:
        given = {name: value for name, value in arguments.items() if value is not None}
        made = of_kfp(arguments=given, **rest)
        values = made.inputs.parameter_values
        for name in [name for name, value in values.items() if value.WhichOneof("kind") is None]:
            del values[name]
        return made

    return construct_executor_input


def _as_on_kubeflow(of_kfp: Callable[..., Any]) -> Callable[..., Any]:
    from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType

    def executor_input_to_dict(executor_input: Any, component_spec: Any) -> Any:
        # Protobuf's maps are unordered; Kubeflow sorts the keys of objects.
        converted = whole_numbers(json.loads(json.dumps(of_kfp(executor_input, component_spec), sort_keys=True)))
        values = converted.get("inputs", {}).get("parameterValues", {})
        for name, parameter in component_spec.input_definitions.parameters.items():
            if parameter.parameter_type == ParameterType.NUMBER_DOUBLE and values.get(name) is not None:
                values[name] = float(values[name])
        return converted

    return executor_input_to_dict
