"""Checks of a compiled pipeline that the Kubeflow server makes late or never.

The server takes nearly anything at upload and refuses a broken reference only when a run is created.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kfp_azureml.errors import PipelineError


def validate_compiled(path: Path) -> None:
    """Check a compiled pipeline against kfp's own protos and follow all its references.

    Args:
        path: A YAML file with the pipeline's document and, where it has one, the platform's.

    Raises:
        PipelineError: With the first thing that is wrong.
    """
    import yaml

    try:
        with path.open() as stream:
            documents = list(yaml.safe_load_all(stream))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PipelineError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not 1 <= len(documents) <= 2 or not all(isinstance(document, dict) for document in documents):
        raise PipelineError(f"{path}: expected one or two YAML documents that are mappings: not a compiled pipeline")
    pipeline = documents[0]
    platform = documents[1] if len(documents) == 2 else {}
    if "root" not in pipeline:
        raise PipelineError(f"{path}: has no root: not a compiled pipeline")
    _parse(path, pipeline, platform)
    for message in dangling_references(pipeline, platform):
        raise PipelineError(f"{path}: {message}")


def dangling_references(pipeline: dict[str, Any], platform: dict[str, Any]) -> Iterator[str]:
    """Find what a compiled pipeline names without defining it.

    Args:
        pipeline: The pipeline's document (`PipelineSpec`).
        platform: The platform's document (`PlatformSpec`), or an empty one.

    Yields:
        One line for each reference that points at nothing.
    """
    components = pipeline.get("components", {})
    executors = pipeline.get("deploymentSpec", {}).get("executors", {})
    for name, component in {"root": pipeline["root"], **components}.items():
        if component.get("executorLabel", next(iter(executors), "")) not in executors:
            yield f"component {name} names the executor {component['executorLabel']}, which is not defined"
        yield from _dangling_in_dag(name, component, components)
    for label, config in _platform_executors(platform).items():
        if label not in executors:
            yield f"the platform document configures the executor {label}, which is not defined"
        for parent, known_inputs in _parents(label, pipeline):
            for wanted in _referenced_inputs(config) - known_inputs:
                yield f"the platform document's {label} takes the input {wanted} of {parent}, which is not defined"


def _dangling_in_dag(name: str, component: dict[str, Any], components: dict[str, Any]) -> Iterator[str]:
    tasks = component.get("dag", {}).get("tasks", {})
    known_inputs = _definitions(component, "inputDefinitions")
    for task_name, task in tasks.items():
        where = f"task {task_name} of {name}"
        called = task["componentRef"]["name"]
        if called not in components:
            yield f"{where} runs the component {called}, which is not defined"
            continue
        declared = _definitions(components[called], "inputDefinitions")
        for dependency in task.get("dependentTasks", []):
            if dependency not in tasks:
                yield f"{where} waits for the task {dependency}, which is not defined"
        for argument, value in _arguments(task):
            if argument not in declared:
                yield f"{where} gives {called} the input {argument}, which it does not have"
            wanted = value.get("componentInputParameter") or value.get("componentInputArtifact")
            if wanted and wanted not in known_inputs and "loop-item" not in wanted:
                yield f"{where} takes {argument} from the input {wanted} of {name}, which is not defined"
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
        yield f"{where} takes {argument} from the task {producer}, which is not defined"
    elif made_by is not None and key not in _definitions(made_by, "outputDefinitions"):
        yield f"{where} takes {argument} from the output {key} of {producer}, which it does not have"


def _parents(executor: str, pipeline: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """Find the DAGs with a task that an executor runs, and the inputs of each."""
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


def _platform_executors(platform: dict[str, Any]) -> dict[str, Any]:
    kubernetes = platform.get("platforms", {}).get("kubernetes", {})
    executors: dict[str, Any] = kubernetes.get("deploymentSpec", {}).get("executors", {})
    return executors


def _parse(path: Path, pipeline: dict[str, Any], platform: dict[str, Any]) -> None:
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2
    from kfp.pipeline_spec import pipeline_spec_pb2

    try:
        json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())
        for config in _platform_executors(platform).values():
            json_format.ParseDict(config, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    except json_format.ParseError as error:
        raise PipelineError(f"{path}: not what Kubeflow's protos define: {error}") from error
