"""Find dangling references in a compiled pipeline.

kfp's compiler can write such a reference; the Kubeflow server accepts it, and the run fails later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

# Inputs that kfp adds to a task if a limit or the image is a pipeline parameter.
SETTINGS = {
    "accelerator_count",
    "accelerator_type",
    "base_image",
    "cpu_limit",
    "cpu_request",
    "memory_limit",
    "memory_request",
}
_PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")


def dangling_references(pipeline: dict[str, Any], platform: dict[str, Any]) -> Iterator[str]:
    """Find dangling references in a compiled pipeline.

    Args:
        pipeline: The pipeline's document (`PipelineSpec`).
        platform: The platform's document (`PlatformSpec`); may be empty.

    Yields:
        A message for each dangling reference.
    """
    components = pipeline.get("components", {})
    executors = pipeline.get("deploymentSpec", {}).get("executors", {})
    for name, component in {"root": pipeline["root"], **components}.items():
        if "executorLabel" in component and component["executorLabel"] not in executors:
            yield f"component {name} uses executor {component['executorLabel']}, which is not defined"
        yield from _dangling_in_dag(name, component, components, executors)
    for label, config in platform_executors(platform).items():
        if label not in executors:
            yield f"the platform document configures executor {label}, which is not defined"
        for parent, known_inputs in _parents(label, pipeline):
            for wanted in _referenced_inputs(config) - known_inputs:
                yield f"the platform document's {label} uses input {wanted} of {parent}, which is not defined"


def _dangling_in_dag(
    name: str, component: dict[str, Any], components: dict[str, Any], executors: dict[str, Any]
) -> Iterator[str]:
    tasks = component.get("dag", {}).get("tasks", {})
    known_inputs = _definitions(component, "inputDefinitions")
    for task_name, task in tasks.items():
        where = f"task {task_name} of {name}"
        called = task["componentRef"]["name"]
        if called not in components:
            yield f"{where} runs component {called}, which is not defined"
            continue
        declared = _definitions(components[called], "inputDefinitions")
        for dependency in task.get("dependentTasks", []):
            if dependency not in tasks:
                yield f"{where} depends on task {dependency}, which is not defined"
        in_settings = _settings_from_inputs(executors.get(components[called].get("executorLabel"), {}))
        given = dict(_arguments(task))
        in_texts = set().union(*(_placeholders(value.get("runtimeValue")) for value in given.values()))
        for wanted in (in_settings | in_texts) - given.keys() - declared:
            yield f"{where}: input {wanted}, used in a limit, image or text, is not set"
        for argument, value in given.items():
            if argument not in declared | SETTINGS | in_settings | in_texts:
                yield f"{where} sets input {argument}, which {called} does not have"
            source = value.get("componentInputParameter") or value.get("componentInputArtifact")
            if source and source not in known_inputs and "loop-item" not in source:
                yield f"{where} takes {argument} from input {source} of {name}, which is not defined"
            output = value.get("taskOutputParameter") or value.get("taskOutputArtifact")
            if output:
                yield from _dangling_output(where, argument, output, tasks, components)


def _dangling_output(
    where: str, argument: str, output: dict[str, str], tasks: dict[str, Any], components: dict[str, Any]
) -> Iterator[str]:
    producer = output["producerTask"]
    made_by = components.get(tasks.get(producer, {}).get("componentRef", {}).get("name"))
    key = output.get("outputParameterKey") or output.get("outputArtifactKey")
    if producer not in tasks:
        yield f"{where} takes {argument} from task {producer}, which is not defined"
    elif made_by is not None and key not in _definitions(made_by, "outputDefinitions"):
        yield f"{where} takes {argument} from output {key} of {producer}, which does not exist"


def _parents(executor: str, pipeline: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """Find the DAGs with a task of an executor, and the inputs of each."""
    components = pipeline.get("components", {})
    for name, parent in {"root": pipeline["root"], **components}.items():
        for task in parent.get("dag", {}).get("tasks", {}).values():
            called = components.get(task["componentRef"]["name"], {})
            if called.get("executorLabel") == executor:
                yield name, _definitions(parent, "inputDefinitions")


def _referenced_inputs(config: object) -> set[str]:
    """Return the names of all `componentInputParameter`s in a platform configuration."""
    if isinstance(config, dict):
        own = {config["componentInputParameter"]} if "componentInputParameter" in config else set()
        return own.union(*map(_referenced_inputs, config.values()))
    if isinstance(config, list):
        return set().union(*map(_referenced_inputs, config))
    return set()


def _arguments(task: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in ("parameters", "artifacts"):
        yield from task.get("inputs", {}).get(kind, {}).items()


def _definitions(component: dict[str, Any], side: str) -> set[str]:
    defined = component.get(side, {})
    return set(defined.get("parameters", {})) | set(defined.get("artifacts", {}))


def _settings_from_inputs(executor: dict[str, Any]) -> set[str]:
    """Return the names of the inputs used in an executor's limits and image, not in its code."""
    container = executor.get("container", {})
    return _placeholders({kind: container.get(kind) for kind in ("image", "resources")})


def _placeholders(value: object) -> set[str]:
    """Return the names of all inputs whose placeholders are in a value."""
    if isinstance(value, str):
        return set(_PLACEHOLDER.findall(value))
    if isinstance(value, dict):
        return set().union(*map(_placeholders, value.values()))
    if isinstance(value, list):
        return set().union(*map(_placeholders, value))
    return set()


def platform_executors(platform: dict[str, Any]) -> dict[str, Any]:
    """Return the platform's settings by executor label."""
    kubernetes = platform.get("platforms", {}).get("kubernetes", {})
    executors: dict[str, Any] = kubernetes.get("deploymentSpec", {}).get("executors", {})
    return executors
