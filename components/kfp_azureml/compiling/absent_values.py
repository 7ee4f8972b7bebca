"""Find steps that require an optional pipeline parameter without a value.

Kubeflow's driver fails at such a step; this check runs before the run is created.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from kfp_azureml.compiling.documents import Compiled
from kfp_azureml.runtime.errors import PipelineError


def check_absent_values(compiled: Compiled, arguments: Mapping[str, Any]) -> None:
    """Check that no step requires a parameter without a value.

    Args:
        compiled: The pipeline.
        arguments: Values of its parameters by name; those with their default are missing.

    Raises:
        PipelineError: If a step requires one.
    """
    root = compiled.pipeline["root"]
    for name, step in _required(compiled.pipeline, root, _absent(root, arguments.keys())):
        raise PipelineError(f"step {step} requires parameter {name}: set --param {name}=VALUE")


def _absent(group: Mapping[str, Any], given: Set[str]) -> dict[str, str]:
    """Return a group's parameters without a value, each with the name of the pipeline's parameter."""
    parameters = group.get("inputDefinitions", {}).get("parameters", {})
    return {name: name for name, about in parameters.items() if name not in given and "defaultValue" not in about}


def _required(
    pipeline: Mapping[str, Any], group: Mapping[str, Any], absent: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Find the steps of a group that require an absent value; yield the pipeline's parameter and the step."""
    for task_name, task in group["dag"]["tasks"].items():
        component = pipeline["components"][task["componentRef"]["name"]]
        declared = component.get("inputDefinitions", {}).get("parameters", {})
        absent_inputs = {
            name: absent[source]
            for name, value in task.get("inputs", {}).get("parameters", {}).items()
            if (source := value.get("componentInputParameter")) in absent
        }
        if "dag" in component:
            yield from _required(pipeline, component, absent_inputs)
            continue
        for name, parameter in absent_inputs.items():
            # An input that the component does not declare is used in a composed text.
            if not declared.get(name, {}).get("isOptional"):
                yield parameter, task_name.replace("-", "_")
