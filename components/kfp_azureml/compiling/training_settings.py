"""Validate the settings of train before a pipeline starts: train itself runs only when prep has ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any

from kfp_azureml.compiling.documents import Compiled
from kfp_azureml.compiling.numbers import whole_numbers
from kfp_azureml.steps.train.settings import TrainingSettings

_NAMES = frozenset(field.name for field in fields(TrainingSettings))


def check_training_settings(compiled: Compiled, arguments: Mapping[str, Any]) -> None:
    """Check the settings of each task of train or train_distributed, as far as they are known.

    Args:
        compiled: The pipeline.
        arguments: Values of its parameters by name; those with their default are missing.

    Raises:
        TrainingError: If a setting is out of range.
    """
    root = compiled.pipeline["root"]
    for settings in _trainings(compiled.pipeline, root, _values(root, arguments)):
        with suppress(TypeError):  # a value of another type, which whoever runs the pipeline refuses
            TrainingSettings(**settings)


def _values(group: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a group's parameters, with their defaults."""
    parameters = group.get("inputDefinitions", {}).get("parameters", {})
    defaults = {name: about["defaultValue"] for name, about in parameters.items() if "defaultValue" in about}
    return {**defaults, **given}


def _trainings(
    pipeline: Mapping[str, Any], group: Mapping[str, Any], known: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the settings of each training of which all are known before the run."""
    for task in group["dag"]["tasks"].values():
        component = pipeline["components"][task["componentRef"]["name"]]
        given = {}
        for name, source in task.get("inputs", {}).get("parameters", {}).items():
            constant = source.get("runtimeValue", {}).get("constant")
            # None is what is known later, such as an output of a step.
            given[name] = known.get(source.get("componentInputParameter"), constant)
        values = _values(component, given)
        if "dag" in component:
            yield from _trainings(pipeline, component, values)
        elif values.keys() >= _NAMES:
            settings = {name: values[name] for name in _NAMES}
            if not any(value is None or "{{" in str(value) for value in settings.values()):
                yield whole_numbers(settings)
