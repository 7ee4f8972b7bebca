"""Derive defaults and descriptions of pipeline parameters from components."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

Pipeline = Callable[..., Any]


def inherits_parameters(*components: Any) -> Callable[[Pipeline], Pipeline]:
    """Complete a pipeline's parameters from component parameters of the same name.

    A parameter that is not in the docstring takes the component's description, and its default unless it has one. Put
    this below `@dsl.pipeline`, on a function of keyword-only parameters whose docstring ends with its `Args:`.

    Args:
        components: KFP components; the first with a parameter of the name is used.
    """
    from docstring_parser import parse

    def inherit(pipeline: Pipeline) -> Pipeline:
        own = inspect.signature(pipeline)
        documented = {argument.arg_name for argument in parse(pipeline.__doc__ or "").params}
        parameters, lines = [], [inspect.getdoc(pipeline) or ""]
        for parameter in own.parameters.values():
            name = parameter.name
            source = next((one.python_func for one in components if name in one.component_spec.inputs), None)
            if source and name not in documented:
                about = {argument.arg_name: argument.description for argument in parse(source.__doc__ or "").params}
                lines.append(f"    {name}: {' '.join((about[name] or '').split())}")
            if source and name not in documented and parameter.default is parameter.empty:
                parameter = parameter.replace(default=inspect.signature(source).parameters[name].default)
            parameters.append(parameter.replace(kind=parameter.POSITIONAL_OR_KEYWORD))
        # Python requires that parameters without a default come first.
        parameters.sort(key=lambda parameter: parameter.default is not parameter.empty)
        names = [parameter.name for parameter in parameters]

        @functools.wraps(pipeline)
        def build(*values: Any) -> Any:  # kfp passes them by position
            return pipeline(**dict(zip(names, values, strict=True)))

        build.__doc__ = "\n".join(lines)
        build.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        return build

    return inherit
