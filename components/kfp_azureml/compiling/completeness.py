"""Find missing parts of a compiled pipeline that protobuf validation does not report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_VALUES = ("constant", "defaultValue", "deploymentSpec")
"""Keys under which null and an empty list are values."""


def empty_places(document: object, where: str = "") -> Iterator[str]:
    """Find the keys without a value in a pipeline's document, as in a truncated file."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name not in _VALUES:
                yield from empty_places(value, f"{where}.{name}" if where else str(name))
    elif document is None or document == []:
        yield where


def missing_parts(pipeline: dict[str, Any]) -> Iterator[str]:
    """Find the missing parts of a pipeline.

    Args:
        pipeline: The pipeline's document (`PipelineSpec`), whose types are valid.

    Yields:
        One line for each missing part.
    """
    if not pipeline.get("root", {}).get("dag", {}).get("tasks"):
        yield "root has no tasks"
    for name, component in {"root": pipeline.get("root", {}), **pipeline.get("components", {})}.items():
        if not component.keys() & {"dag", "executorLabel"}:
            yield f"component {name} has neither a dag nor an executorLabel"
        if "dag" in component and not component["dag"].get("tasks"):
            yield f"the dag of component {name} has no tasks"
        for parameter, about in component.get("inputDefinitions", {}).get("parameters", {}).items():
            if "parameterType" not in about:
                yield f"the input {parameter} of component {name} has no parameterType"
        for task, about in component.get("dag", {}).get("tasks", {}).items():
            if not about.get("componentRef", {}).get("name"):
                yield f"task {task} of {name} has no component"
            yield from _sources(f"task {task} of {name}", about.get("inputs", {}))
    executors = pipeline.get("deploymentSpec", {}).get("executors")
    if not isinstance(executors, dict):
        yield "deploymentSpec.executors is missing"
        return
    for label, executor in executors.items():
        known = executor if isinstance(executor, dict) else {}
        container = known.get("container")
        is_container = isinstance(container, dict) and isinstance(container.get("image"), str)
        if not is_container and ("container" in known or "importer" not in known):
            yield f"executor {label} has no image"


def _sources(where: str, inputs: dict[str, Any]) -> Iterator[str]:
    for kind in ("parameters", "artifacts"):
        for name, source in inputs.get(kind, {}).items():
            for output in (source[key] for key in ("taskOutputParameter", "taskOutputArtifact") if key in source):
                if not output.get("producerTask"):
                    yield f"{where}: input {name} has no producerTask"
