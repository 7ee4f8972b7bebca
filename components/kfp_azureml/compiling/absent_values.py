"""Steps that cannot do without a value, of a pipeline parameter that is optional and has none.

Kubeflow's driver fails when it gets to such a step; this is known before the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from kfp_azureml.compiling.documents import Compiled
from kfp_azureml.runtime.errors import PipelineError


def check_absent_values(compiled: Compiled, arguments: Mapping[str, Any]) -> None:
    """Check that every step can do without the values that a run is not given.

    Args:
        compiled: The pipeline.
        arguments: The values of its parameters, by name, without those that have their default.

    Raises:
        PipelineError: If one cannot.
    """
    root = compiled.pipeline["root"]
    for name, step in _needed(compiled.pipeline, root, _absent(root, arguments.keys())):
        raise PipelineError(f"step {step} needs a value for {name}: give it with --param NAME=VALUE")


def _absent(group: Mapping[str, Any], given: Set[str]) -> dict[str, str]:
    """Return a group's parameters without a value, each with the name that its user knows."""
    parameters = group.get("inputDefinitions", {}).get("parameters", {})
    return {name: name for name, about in parameters.items() if name not in given and "defaultValue" not in about}


def _needed(
    pipeline: Mapping[str, Any], group: Mapping[str, Any], absent: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Find the steps of a group that need an absent value; yield its name and the step's."""
    for task_name, task in group["dag"]["tasks"].items():
        called = pipeline["components"][task["componentRef"]["name"]]
        wanted = called.get("inputDefinitions", {}).get("parameters", {})
        passed_on = {
            name: absent[source]
            for name, value in task.get("inputs", {}).get("parameters", {}).items()
            if (source := value.get("componentInputParameter")) in absent
        }
        if "dag" in called:
            yield from _needed(pipeline, called, passed_on)
            continue
        for name, known_as in passed_on.items():
            # An input that the component does not declare is there for a text that is put together of it.
            if not wanted.get(name, {}).get("isOptional"):
                yield known_as, task_name.replace("-", "_")
