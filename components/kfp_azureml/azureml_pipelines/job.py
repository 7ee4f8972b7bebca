"""Translate the graph of a KFP pipeline to an Azure ML pipeline job in YAML."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp_azureml import __version__
from kfp_azureml.azureml_pipelines.conditions import OUTPUT, condition_spec
from kfp_azureml.azureml_pipelines.definition import refusal
from kfp_azureml.azureml_pipelines.graph import Condition, Graph, Node, NodeOutput, PipelineInput, Text, Value
from kfp_azureml.azureml_pipelines.in_job.job_text import encode
from kfp_azureml.azureml_pipelines.parameters import as_primitive
from kfp_azureml.azureml_pipelines.placement import Placement, azureml_compute
from kfp_azureml.azureml_pipelines.spec import Spec, component_spec
from kfp_azureml.compiling.argument_size import check_sizes
from kfp_azureml.runtime.errors import PipelineError

SCHEMA = "https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json"
JOB_FILE = "job.yaml"
TRAIN = "train"
"""The component that can have several workers."""

EMPTY: str = encode("")
"""The literal of an empty text."""

Registered = Callable[[Spec], str]
"""Returns the name of a registered component, such as `azureml:prep:0.1.0`."""


@dataclass(frozen=True)
class PipelineJob:
    """A pipeline job.

    Attributes:
        document: Its YAML document without the components' paths.
        components: Components by step.
    """

    document: Mapping[str, Any]
    components: Mapping[str, Spec]

    @property
    def needs_preview(self) -> bool:
        """Whether it has conditions, which need the preview features of azure-ai-ml."""
        return any(job["type"] == "if_else" for job in self.document["jobs"].values())

    def write(self, folder: Path, registered: Registered | None = None) -> Path:
        """Write the job and its components.

        Args:
            folder: An empty folder.
            registered: Returns the name of a step's registered component. None writes the components to the folder, as
                always for those that evaluate conditions.

        Returns:
            The job's YAML file, for `load_job` or `az ml job create --file`.
        """
        import yaml

        jobs = {name: dict(job) for name, job in self.document["jobs"].items()}
        for name, spec in self.components.items():
            if registered is not None and spec.is_reusable:
                jobs[name]["component"] = registered(spec)
                continue
            own = folder / name
            own.mkdir()
            jobs[name]["component"] = f"./{spec.write(own).relative_to(folder).as_posix()}"
        path = folder / JOB_FILE
        document = {**self.document, "jobs": jobs}
        path.write_text(yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True))
        return path


def pipeline_job(
    graph: Graph, arguments: Mapping[str, Any], placement: Placement, experiment: str, train_workers: int = 1
) -> PipelineJob:
    """Return the Azure ML pipeline job of a KFP pipeline.

    Args:
        graph: The pipeline.
        arguments: Parameter values by name; missing ones keep their default.
        placement: Computes of the steps.
        experiment: The job's experiment.
        train_workers: Number of workers of the component train, each on a machine of its own.

    Raises:
        PipelineError: If a value is not supported, the placement names an unknown step, or no step trains.
    """
    placement.check_steps(node.name for node in graph.nodes)
    if train_workers > 1 and TRAIN not in {node.definition.name for node in graph.nodes}:
        raise PipelineError(f"train workers are for the component {TRAIN}, which the pipeline does not have")
    values = _pipeline_values(graph, arguments)
    without_value = [
        PipelineInput(name)
        for name, parameter in graph.parameters.items()
        if "defaultValue" not in parameter and arguments.get(name) is None
    ]
    outputs = {(output.node, output.output): name for name, output in graph.outputs.items()}
    jobs: dict[str, Any] = {}
    components: dict[str, Spec] = {}
    for node in graph.nodes:
        components[node.name] = node_spec(node)
        bound = {
            key: _bound(node, key, value, values) for key, value in node.inputs.items() if value not in without_value
        }
        job = {
            "type": "command",
            "inputs": {key: value for key, value in bound.items() if value is not None},
            "outputs": {
                output: f"${{{{parent.outputs.{outputs[node.name, output]}}}}}"
                for output in node.definition.artifacts("outputs")
                if (node.name, output) in outputs
            },
            **placement.of(node.name),
        }
        if node.uses_azure:
            job["identity"] = {"type": "managed"}
        if train_workers > 1 and node.definition.name == TRAIN:
            job["distribution"] = {"type": "tensorflow", "worker_count": train_workers}
            job["resources"] = {**job.get("resources", {}), "instance_count": train_workers}
        if node.timeout_seconds:
            job["limits"] = {"timeout": node.timeout_seconds}
        jobs[node.name] = {key: value for key, value in job.items() if value}
    for condition in graph.conditions:
        name, spec, decision = _decision(graph, condition, values)
        components[name] = spec
        jobs[name] = decision
        jobs[condition.name] = {
            "type": "if_else",
            "condition": f"${{{{parent.jobs.{name}.outputs.{OUTPUT}}}}}",
            "true_block": [f"${{{{parent.jobs.{node}}}}}" for node in condition.nodes],
        }
    document = {
        "$schema": SCHEMA,
        "type": "pipeline",
        "display_name": graph.display_name,
        "description": graph.description,
        "experiment_name": experiment,
        "inputs": {name: value for name, value in values.items() if value != EMPTY},
        "outputs": {name: {"type": "uri_folder"} for name in graph.outputs},
        "settings": {"default_compute": azureml_compute(placement.default_compute)},
        "jobs": jobs,
    }
    return PipelineJob({key: value for key, value in document.items() if value not in ("", {})}, components)


def node_spec(node: Node, version: str = __version__) -> Spec:
    """Return a step's component."""
    return component_spec(node.definition, display_name=node.display_name, deterministic=node.cached, version=version)


def _pipeline_values(graph: Graph, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the literals of the pipeline's inputs."""
    used = graph.used_parameters
    for name in arguments.keys() - used:
        raise PipelineError(f"parameter {name}: it configures Kubernetes and has no effect on Azure ML: omit it")
    values = {}
    for name in sorted(used, key=list(graph.parameters).index):
        parameter = graph.parameters[name]
        value = as_primitive(arguments.get(name, parameter.get("defaultValue")), parameter["parameterType"])
        if value is not None:
            values[name] = value
    # A job gets them in environment variables, and passes them to the component as KFP does.
    check_sizes(values)
    check_sizes(arguments)
    return values


def _bound(node: Node, name: str, value: Value, values: Mapping[str, Any]) -> Any:
    """Return the value of a step's input; None selects its default."""
    parameter = node.definition.parameters("inputs").get(name)
    bound = _expression(value, values, parameter["parameterType"] if parameter else "")
    is_default = parameter is not None and bound == EMPTY and parameter.get("defaultValue") == ""
    return None if is_default else bound


def _expression(value: Value, values: Mapping[str, Any], kind: str) -> Any:
    if isinstance(value, NodeOutput):
        return f"${{{{parent.jobs.{value.node}.outputs.{value.output}}}}}"
    if isinstance(value, PipelineInput):
        # Empty values are not inputs of the job, so that studio hides them, as the KFP UI does.
        given = values.get(value.name)
        return given if given in (None, EMPTY) else f"${{{{parent.inputs.{value.name}}}}}"
    if isinstance(value, Text):
        parts = [_expression(part, values, "STRING") for part in value.parts]
        return "".join(str(part) for part in parts if part not in (None, EMPTY)) or EMPTY
    return as_primitive(value.value, kind)


def _decision(graph: Graph, condition: Condition, values: Mapping[str, Any]) -> tuple[str, Spec, dict[str, Any]]:
    """Return the job that evaluates a condition: its name, component and YAML entry."""
    nodes = {node.name: node for node in graph.nodes}
    looked_at = [value.node for value in condition.inputs.values() if isinstance(value, NodeOutput)]
    candidates = [nodes[name] for name in (*looked_at, *condition.nodes)] + list(graph.nodes)
    image = next((node.definition.image for node in candidates if node.definition.is_python), None)
    if image is None:
        raise refusal(condition.name, "it is a condition, and no step has an image with Python to evaluate it")
    names = {channel: re.sub(r"\W", "_", channel.removeprefix("pipelinechannel--")) for channel in condition.inputs}
    bound = {
        names[channel]: _expression(value, values, condition.types[channel])
        for channel, value in condition.inputs.items()
    }
    for name, value in bound.items():
        if value is None:
            raise refusal(condition.name, f"its condition uses {name}, which has no value")
    spec = condition_spec(condition.name, condition.terms, names, condition.types, image)
    return spec.name, spec, {"type": "command", "inputs": bound}
