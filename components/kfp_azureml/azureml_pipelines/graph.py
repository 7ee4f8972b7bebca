"""Read a compiled KFP pipeline into a flat graph of steps and conditions.

Features that Azure ML does not support raise an error that names the task and the feature.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from kfp_azureml.azcreds import KEYS
from kfp_azureml.azureml_pipelines.conditions import Term, parse_condition
from kfp_azureml.azureml_pipelines.definition import Definition, definition_from, refusal
from kfp_azureml.compiling.numbers import whole_numbers
from kfp_azureml.compiling.references import SETTINGS, platform_executors

_REFERENCE = re.compile(r"\{\{\$\.inputs\.parameters\['([^']+)'\]\}\}")
_OF_PODS_ONLY = {
    "activeDeadlineSeconds",
    "imagePullPolicy",
    "imagePullSecret",
    "nodeAffinity",
    "nodeSelector",
    "podAffinity",
    "podMetadata",
    "securityContext",
    "tolerations",
}
"""Settings of Kubernetes pods that have no effect on Azure ML, where the compute determines them."""
_EXIT_TASK = "ALL_UPSTREAM_TASKS_COMPLETED"
_SKIPPED = {
    "comp-aml-reconcile": "Azure ML has no exit tasks; to clean up an unfinished rollout of a job run "
    "kfp-azureml reconcile --run-id JOB",
}
"""Exit tasks that a job does without, each with a replacement."""
_WORKLOAD_IDENTITY = "azure.workload.identity/use"


@dataclass(frozen=True)
class Constant:
    """A value from the pipeline's author or user."""

    value: Any


@dataclass(frozen=True)
class PipelineInput:
    """A parameter of the pipeline."""

    name: str


@dataclass(frozen=True)
class NodeOutput:
    """An output of a step."""

    node: str
    output: str


@dataclass(frozen=True)
class Text:
    """Text composed of constants and parameters of the pipeline."""

    parts: tuple[Constant | PipelineInput, ...]


Value = Constant | PipelineInput | NodeOutput | Text
Scope = Mapping[str, Value]


@dataclass(frozen=True)
class Node:
    """A step.

    Attributes:
        name: Its name in the pipeline, such as `aml_register_model`.
        display_name: Its display name.
        definition: The component it runs.
        inputs: Values of the component's inputs.
        cached: Whether cached results may be reused.
        uses_azure: Whether it accesses Azure and so needs an identity.
        timeout_seconds: Timeout in seconds; None for none.
    """

    name: str
    display_name: str
    definition: Definition
    inputs: Mapping[str, Value]
    cached: bool = False
    uses_azure: bool = False
    timeout_seconds: int | None = None


@dataclass(frozen=True)
class Condition:
    """Steps that run only if all comparisons are true.

    Attributes:
        name: The group's name.
        terms: The comparisons.
        inputs: Values of their inputs.
        types: KFP's types of their inputs.
        nodes: Names of the steps.
    """

    name: str
    terms: tuple[Term, ...]
    inputs: Mapping[str, Value]
    types: Mapping[str, str]
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """A pipeline.

    Attributes:
        name: Its name.
        display_name: Its display name.
        description: Its description.
        parameters: Its parameters as KFP defines them, by name.
        nodes: Its steps.
        conditions: Its conditions.
        outputs: Its output artifacts by name.
        skipped_tasks: Messages about tasks that do not run on Azure ML, with their replacement.
    """

    name: str
    display_name: str
    description: str
    parameters: Mapping[str, Any]
    nodes: tuple[Node, ...]
    conditions: tuple[Condition, ...]
    outputs: Mapping[str, NodeOutput]
    skipped_tasks: tuple[str, ...] = ()

    @property
    def used_parameters(self) -> set[str]:
        """The parameters that a step or condition uses; the others configure Kubernetes."""
        users: list[Node | Condition] = [*self.nodes, *self.conditions]
        values = [value for user in users for value in user.inputs.values()]
        parts = [part for value in values for part in (value.parts if isinstance(value, Text) else (value,))]
        return {part.name for part in parts if isinstance(part, PipelineInput)}


def read_graph(pipeline: Mapping[str, Any], platform: Mapping[str, Any]) -> Graph:
    """Read a compiled and valid pipeline.

    Args:
        pipeline: Its `PipelineSpec`.
        platform: Its `PlatformSpec` for Kubernetes; may be empty.

    Raises:
        PipelineError: If it uses a feature that Azure ML does not support.
    """
    info = pipeline["pipelineInfo"]
    reader = _Reader(pipeline, platform_executors(dict(platform)))
    if "workspace" in _pipeline_config(platform):
        raise refusal(info["name"], "its steps share a workspace volume; let them pass artifacts")
    root = pipeline["root"]
    parameters = root.get("inputDefinitions", {}).get("parameters", {})
    artifacts = root.get("inputDefinitions", {}).get("artifacts", {})
    if artifacts:
        raise refusal(
            info["name"], f"its input {next(iter(artifacts))} is an artifact; make it a text that a step reads"
        )
    outputs = reader.read_group("root", root, {name: PipelineInput(name) for name in parameters})
    return Graph(
        name=info["name"],
        display_name=info.get("displayName", info["name"]),
        description=info.get("description", ""),
        parameters=parameters,
        nodes=tuple(reader.nodes.values()),
        conditions=tuple(reader.conditions),
        outputs={
            name: outputs[name]
            for name in root.get("outputDefinitions", {}).get("artifacts", {})
            if isinstance(outputs.get(name), NodeOutput)
        },
        skipped_tasks=tuple(reader.skipped_tasks),
    )


@dataclass
class _Reader:
    pipeline: Mapping[str, Any]
    platform: Mapping[str, Any]
    nodes: dict[str, Node] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    skipped_tasks: list[str] = field(default_factory=list)
    _within: str = ""

    def read_group(self, name: str, component: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
        """Read the tasks of a group; return its outputs."""
        tasks = component["dag"]["tasks"]
        outputs: dict[str, dict[str, Any]] = {}
        for task_name in TopologicalSorter(
            {key: tasks[key].get("dependentTasks", []) for key in sorted(tasks)}
        ).static_order():
            task = tasks[task_name]
            if _is_exit_task(task) and task["componentRef"]["name"] in _SKIPPED:
                self.skipped_tasks.append(
                    f"{_identifier(task_name)} is skipped: {_SKIPPED[task['componentRef']['name']]}"
                )
                continue
            called = self.pipeline["components"][task["componentRef"]["name"]]
            self._check(task_name, task)
            arguments = dict(_arguments(task))
            given = {key: self._value(task_name, arguments, key, scope, outputs) for key in arguments}
            if "dag" in called:
                outputs[task_name] = self._read_subgroup(task_name, task, called, given)
            else:
                outputs[task_name] = self._read_node(name, task_name, task, called, given)
        return dict(self._outputs(name, component, outputs))

    def _read_subgroup(
        self, task_name: str, task: Mapping[str, Any], called: Mapping[str, Any], given: dict[str, Value]
    ) -> dict[str, Any]:
        condition = task.get("triggerPolicy", {}).get("condition")
        if condition is None:
            return self.read_group(task_name, called, _with_defaults(called, given))
        label = _identifier(task["taskInfo"]["name"])
        if self._within:
            raise refusal(label, f"it is a condition within the condition {self._within}")
        parameters = called.get("inputDefinitions", {}).get("parameters", {})
        types = {name: parameter["parameterType"] for name, parameter in parameters.items()}
        terms = parse_condition(label, condition, types)
        before = set(self.nodes)
        self._within = label
        outputs = self.read_group(task_name, called, given)
        self._within = ""
        wanted = {name: given[name] for term in terms for name in term.inputs}
        nodes = tuple(name for name in self.nodes if name not in before)
        self.conditions.append(Condition(label, terms, wanted, types, nodes))
        return outputs

    def _read_node(
        self,
        group: str,
        task_name: str,
        task: Mapping[str, Any],
        called: Mapping[str, Any],
        given: Mapping[str, Value],
    ) -> dict[str, Any]:
        label = called["executorLabel"]
        executor = self.pipeline["deploymentSpec"]["executors"][label]
        definition = definition_from(task["componentRef"]["name"].removeprefix("comp-"), called, executor)
        name = _identifier(task_name)
        if name in self.nodes:
            name = f"{_identifier(group)}_{name}"
        known = {*definition.parameters("inputs"), *definition.artifacts("inputs")}
        settings = self.platform.get(label, {})
        seconds = settings.get("activeDeadlineSeconds")
        self.nodes[name] = Node(
            name=name,
            display_name=task.get("taskInfo", {}).get("name", task_name),
            definition=definition,
            inputs={key: value for key, value in given.items() if key in known},
            cached=bool(task.get("cachingOptions", {}).get("enableCache")),
            uses_azure=_uses_azure(name, settings),
            timeout_seconds=int(seconds) if seconds else None,
        )
        return {
            output: NodeOutput(name, output)
            for output in (*definition.parameters("outputs"), *definition.artifacts("outputs"))
        }

    def _check(self, name: str, task: Mapping[str, Any]) -> None:
        name = _identifier(name)
        if "parameterIterator" in task or "artifactIterator" in task:
            raise refusal(name, "it is a loop (ParallelFor)")
        if _is_exit_task(task):
            raise refusal(name, "it is an exit handler, or runs after a failure")
        producers = {
            value[key]["producerTask"]
            for _, value in _arguments(task)
            for key in ("taskOutputParameter", "taskOutputArtifact")
            if key in value
        }
        for dependency in sorted(set(task.get("dependentTasks", [])) - producers):
            raise refusal(
                name,
                f"it runs after {_identifier(dependency)} without using its outputs; Azure ML orders steps by data "
                "only: pass it one of that step's outputs",
            )

    def _value(
        self,
        task: str,
        arguments: Mapping[str, Mapping[str, Any]],
        name: str,
        scope: Scope,
        outputs: Mapping[str, Mapping[str, Any]],
    ) -> Value:
        value = arguments[name]
        if source := value.get("componentInputParameter") or value.get("componentInputArtifact"):
            return scope.get(source, Constant(None))
        if output := value.get("taskOutputParameter") or value.get("taskOutputArtifact"):
            key = output.get("outputParameterKey") or output.get("outputArtifactKey")
            found: Value = outputs[output["producerTask"]][key]
            return found
        constant = value["runtimeValue"]["constant"]
        if not isinstance(constant, str) or not _REFERENCE.search(constant):
            return Constant(whole_numbers(constant))
        # An f-string in the pipeline's source; the values in it are also arguments of the task.
        parts: list[Constant | PipelineInput] = []
        for index, piece in enumerate(_REFERENCE.split(constant)):
            part = self._value(task, arguments, piece, scope, outputs) if index % 2 else Constant(piece)
            if not isinstance(part, (Constant, PipelineInput)):
                raise refusal(_identifier(task), f"its input {name} is a text that contains another step's output")
            parts.append(part)
        return Text(tuple(parts))

    def _outputs(
        self, name: str, component: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[tuple[str, Any]]:
        declared = component["dag"].get("outputs", {})
        for key, selected in declared.get("artifacts", {}).items():
            if len(selected["artifactSelectors"]) > 1:
                raise refusal(_identifier(name), "its output is chosen from several steps' (OneOf)")
            (selector,) = selected["artifactSelectors"]
            yield key, outputs[selector["producerSubtask"]][selector["outputArtifactKey"]]
        for key, selected in declared.get("parameters", {}).items():
            if "valueFromParameter" not in selected:
                raise refusal(_identifier(name), "its output is chosen from several steps' (OneOf)")
            selector = selected["valueFromParameter"]
            yield key, outputs[selector["producerSubtask"]][selector["outputParameterKey"]]


def _is_exit_task(task: Mapping[str, Any]) -> bool:
    return bool(task.get("triggerPolicy", {}).get("strategy") == _EXIT_TASK)


def _arguments(task: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return a task's arguments without those for its pod, such as resource limits."""
    inputs = task.get("inputs", {})
    return [
        (name, value)
        for kind in ("parameters", "artifacts")
        for name, value in inputs.get(kind, {}).items()
        if name not in SETTINGS
    ]


def _with_defaults(called: Mapping[str, Any], given: dict[str, Value]) -> dict[str, Value]:
    """Return the arguments of a pipeline that is used as a component, including defaults."""
    parameters = called.get("inputDefinitions", {}).get("parameters", {})
    defaults = {
        name: Constant(whole_numbers(each.get("defaultValue")))
        for name, each in parameters.items()
        if "defaultValue" in each or each.get("isOptional")
    }
    return {**defaults, **given}


def _uses_azure(name: str, settings: Mapping[str, Any]) -> bool:
    """Tell whether a step accesses Azure; reject unsupported Kubernetes settings."""
    for secret in settings.get("secretAsEnv", []):
        if not {entry["envVar"] for entry in secret["keyToEnv"]} <= set(KEYS):
            raise refusal(
                name, "it uses a Kubernetes secret for environment variables; jobs use their compute's identity"
            )
    for key in settings.keys() - _OF_PODS_ONLY - {"secretAsEnv"}:
        raise refusal(name, f"it uses the Kubernetes setting {key}")
    labels = settings.get("podMetadata", {}).get("labels", {})
    return bool(settings.get("secretAsEnv")) or labels.get(_WORKLOAD_IDENTITY) == "true"


def _pipeline_config(platform: Mapping[str, Any]) -> Mapping[str, Any]:
    config: Mapping[str, Any] = platform.get("platforms", {}).get("kubernetes", {}).get("pipelineConfig", {})
    return config


def _identifier(name: str) -> str:
    """Return a valid name of a step in Azure ML."""
    return re.sub(r"\W", "_", name.lower())
