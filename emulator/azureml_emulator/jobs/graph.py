"""Read the graph of a pipeline job: nodes, dependencies and conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from azureml_emulator.arm.errors import bad_request, not_emulated
from azureml_emulator.arm.resources import object_in
from azureml_emulator.jobs.assets import find_asset
from azureml_emulator.jobs.distribution import read_workers
from azureml_emulator.jobs.environments import find_environment
from azureml_emulator.jobs.expressions import EXPRESSION, expressions_in, substitute
from azureml_emulator.jobs.specs import (
    CommandSpec,
    Data,
    Value,
    read_inputs,
    read_output,
    read_timeout,
    read_variables,
)
from azureml_emulator.store import Document, Store

BOUND_INPUT = re.compile(r"parent\.inputs\.([\w.-]+)")
BOUND_OUTPUT = re.compile(r"parent\.outputs\.([\w-]+)")
NODE_OUTPUT = re.compile(r"parent\.jobs\.([\w-]+)\.outputs\.([\w-]+)")
NODE = re.compile(r"parent\.jobs\.([\w-]+)")


@dataclass(frozen=True)
class Node:
    """A command or pipeline in a pipeline.

    Attributes:
        name: Its name in the pipeline.
        display_name: Its display name.
        component: The `componentSpec` of its component.
        inputs: Its inputs by name: expressions, literals or data.
        outputs: Its outputs by name; their `uri` can be an expression of the pipeline's output.
        promoted: The pipeline's outputs that its outputs are, by its own names.
        compute: The compute, as the client wrote it.
        settings: The node, as the client wrote it.
        gates: The result that each condition must have for it to run.
        waits_for: The nodes and conditions that must end first.
        graph: Its own graph, if it is a pipeline.
    """

    name: str
    display_name: str
    component: Document
    inputs: Mapping[str, Value]
    outputs: Mapping[str, Data]
    promoted: Mapping[str, str]
    compute: str | None
    settings: Document
    gates: Mapping[str, bool]
    waits_for: frozenset[str]
    graph: Graph | None = None


@dataclass(frozen=True)
class Condition:
    """A choice between nodes.

    Attributes:
        name: Its name in the pipeline.
        expression: A literal, a pipeline input or a node's control output.
        waits_for: The node whose output it uses.
    """

    name: str
    expression: str
    waits_for: frozenset[str]


@dataclass(frozen=True)
class Graph:
    """The nodes and conditions of a pipeline, by name."""

    nodes: Mapping[str, Node]
    conditions: Mapping[str, Condition]

    @property
    def items(self) -> tuple[Node | Condition, ...]:
        """All nodes and conditions."""
        return *self.nodes.values(), *self.conditions.values()


def read_graph(store: Store, jobs: Document, outputs: Mapping[str, object]) -> Graph:
    """Read the nodes of a pipeline job or component.

    Args:
        store: Holds the components.
        jobs: The nodes, as the client wrote them.
        outputs: The pipeline's outputs, by name.

    Raises:
        ArmError: 400 or 501, for an unknown component, an invalid binding, a cycle ...
    """
    if not jobs:
        raise bad_request("The pipeline has no jobs.")
    conditions, gates = _read_conditions(jobs)
    nodes = {
        name: _read_node(store, name, object_in(jobs, name), gates.get(name, {}))
        for name in jobs
        if name not in conditions
    }
    graph = Graph(nodes, conditions)
    for item in graph.items:
        if unknown := item.waits_for - {*nodes, *conditions}:
            raise bad_request(f"{item.name!r} refers to a job that the pipeline does not have: {min(unknown)!r}.")
    for node in nodes.values():
        _check_bindings(node, nodes, outputs)
    for condition in conditions.values():
        _check_expressions(condition.name, condition.expression, nodes)
    try:
        TopologicalSorter({item.name: item.waits_for for item in graph.items}).prepare()
    except CycleError as error:
        raise bad_request(f"The pipeline's jobs have a dependency cycle: {', '.join(error.args[1])}.") from None
    return graph


def command_spec(node: Node, inputs: Mapping[str, Value], outputs: Mapping[str, Data], limits: Document) -> CommandSpec:
    """Return what a command node runs, with its limits resolved."""
    return CommandSpec(
        command=node.component["command"],
        environment=node.component["environment"],
        code=node.component.get("code"),
        inputs=inputs,
        outputs=outputs,
        variables={
            **read_variables(object_in(node.component, "environment_variables")),
            **read_variables(object_in(node.settings, "environment_variables")),
        },
        timeout=read_timeout(limits),
        workers=_workers(node.component, node.settings),
    )


def _workers(component: Document, settings: Document) -> int:
    distribution, resources = (
        object_in(settings, name) or object_in(component, name) for name in ("distribution", "resources")
    )
    return read_workers(distribution, resources)


def complete_inputs(name: str, component: Document, given: Mapping[str, Value]) -> dict[str, Value]:
    """Add the defaults of a component's inputs; optional ones can stay missing.

    Args:
        name: The node or job, for errors.
        component: The `componentSpec`.
        given: The given values.

    Raises:
        ArmError: 400, if an input is unknown or missing.
    """
    declared = object_in(component, "inputs")
    if unknown := set(given) - set(declared):
        raise bad_request(f"{name!r} sets an unknown input of its component: {min(unknown)!r}.")
    values = dict(given)
    for input_name, declaration in declared.items():
        if input_name in values:
            continue
        if declaration.get("default") is not None:
            values[input_name] = str(declaration["default"])
        elif not _is_true(declaration.get("optional")):
            raise bad_request(f"{name!r} does not set the required input {input_name!r} of its component.")
    return values


def _read_conditions(jobs: Document) -> tuple[dict[str, Condition], dict[str, dict[str, bool]]]:
    conditions: dict[str, Condition] = {}
    gates: dict[str, dict[str, bool]] = {}
    for name in jobs:
        node = object_in(jobs, name)
        if node.get("type") != "if_else":
            continue
        expression = str(node.get("condition"))
        conditions[name] = Condition(name, expression, frozenset(_nodes_in(expression)))
        for block, wanted in (("true_block", True), ("false_block", False)):
            chosen = node.get(block) or []
            for reference in chosen if isinstance(chosen, list) else [chosen]:
                found = [NODE.fullmatch(inside) for inside in expressions_in(str(reference))]
                if len(found) != 1 or found[0] is None or found[0][1] not in jobs:
                    raise bad_request(f"{block!r} of {name!r} must name jobs of the pipeline, not {reference!r}.")
                gates.setdefault(found[0][1], {})[name] = wanted
    if nested := set(gates) & set(conditions):
        raise not_emulated(f"the condition {min(nested)!r} inside another condition")
    return conditions, gates


def _read_node(store: Store, name: str, settings: Document, gates: Mapping[str, bool]) -> Node:
    kind = settings.get("type") or "command"
    if kind not in ("command", "pipeline"):
        raise not_emulated(f"type {kind!r} of the pipeline's job {name!r}; only command, pipeline and if_else")
    reference = settings.get("componentId")
    if not isinstance(reference, str):
        raise bad_request(f"The job {name!r} of the pipeline has no 'componentId'.")
    component = find_asset(store, reference, "components")["properties"]["componentSpec"]
    if component["type"] != kind:
        raise bad_request(f"The job {name!r} is of type {kind}, and its component of type {component['type']}.")
    bound = read_inputs(object_in(settings, "inputs"))
    complete_inputs(name, component, bound)
    outputs, promoted = _read_outputs(name, component, object_in(settings, "outputs"))
    if kind == "command":
        # Otherwise these errors would show only when the pipeline runs.
        find_environment(store, component["environment"])
        if component.get("code"):
            find_asset(store, component["code"], "codes")
        limits = object_in(settings, "limits")
        if not expressions_in(str(limits.get("timeout"))):
            read_timeout(limits)
        read_variables(object_in(settings, "environment_variables"))
        _workers(component, settings)
    waits_for = {node for value in bound.values() if isinstance(value, str) for node in _nodes_in(value)}
    display_name = settings.get("display_name") or name
    return Node(
        name=name,
        display_name=str(display_name),
        component=component,
        inputs=bound,
        outputs=outputs,
        promoted=promoted,
        compute=str(settings["computeId"]) if settings.get("computeId") else None,
        settings={**settings, "tags": object_in(settings, "tags"), "properties": object_in(settings, "properties")},
        gates=gates,
        waits_for=frozenset(waits_for | set(gates)),
        graph=read_component_graph(store, component) if kind == "pipeline" else None,
    )


def read_component_graph(store: Store, component: Document) -> Graph:
    """Read the nodes of a pipeline component from its `componentSpec`.

    Raises:
        ArmError: 400 or 501, if it cannot run.
    """
    return read_graph(store, object_in(component, "jobs"), object_in(component, "outputs"))


def _read_outputs(name: str, component: Document, given: Document) -> tuple[dict[str, Data], dict[str, str]]:
    declared = object_in(component, "outputs")
    if unknown := set(given) - set(declared):
        raise bad_request(f"{name!r} sets an unknown output of its component: {min(unknown)!r}.")
    outputs, promoted = {}, {}
    for output_name, declaration in declared.items():
        settings = object_in(given, output_name)
        bound = [BOUND_OUTPUT.fullmatch(inside) for inside in expressions_in(str(settings.get("value") or ""))]
        if bound and bound[0]:
            promoted[output_name] = bound[0][1]
            settings = {name: settings.get(name) for name in ("mode", "name", "version")}
        output = read_output(output_name, settings)
        outputs[output_name] = replace(output, type=str(declaration.get("type") or "uri_folder"))
    return outputs, promoted


def _check_bindings(node: Node, nodes: Mapping[str, Node], outputs: Mapping[str, object]) -> None:
    for value in node.inputs.values():
        if isinstance(value, str):
            _check_expressions(node.name, value, nodes)
    for output in node.promoted.values():
        if output not in outputs:
            raise bad_request(f"{node.name!r} refers to an output that the pipeline does not have: {output!r}.")


def _check_expressions(name: str, text: str, nodes: Mapping[str, Node]) -> None:
    for expression in expressions_in(text):
        of_node = NODE_OUTPUT.fullmatch(expression)
        known = of_node[2] in nodes[of_node[1]].outputs if of_node else BOUND_INPUT.fullmatch(expression)
        if not known:
            raise bad_request(f"{name!r} refers to ${{{{{expression}}}}}, which the pipeline does not have.")


def _nodes_in(text: str) -> set[str]:
    return {match[1] for expression in expressions_in(text) if (match := NODE_OUTPUT.fullmatch(expression))}


def resolve(
    text: str, inputs: Mapping[str, Value], outputs: Mapping[str, Mapping[str, Value]], *, where: str
) -> Value | None:
    """Resolve the binding of an input; None for a missing optional input.

    Args:
        text: A literal, a single expression, or expressions within a text.
        inputs: The values of the pipeline's inputs.
        outputs: The outputs of ended nodes, by node and name.
        where: Who needs it, for errors.

    Raises:
        ArmError: 400, if an output does not exist, or data is used in a text.
    """

    def find(expression: str) -> Value | None:
        if of_pipeline := BOUND_INPUT.fullmatch(expression):
            return inputs.get(of_pipeline[1])
        of_node = NODE_OUTPUT.fullmatch(expression)
        if of_node is None or of_node[2] not in outputs.get(of_node[1], {}):
            raise bad_request(f"{where} needs ${{{{{expression}}}}}, which its job did not write.")
        return outputs[of_node[1]][of_node[2]]

    def find_text(expression: str) -> str:
        value = find(expression)
        if isinstance(value, Data):
            raise bad_request(f"{where} has ${{{{{expression}}}}} within a text, but it is data.")
        return value or ""

    whole = EXPRESSION.fullmatch(text.strip())
    return find(whole[1]) if whole else substitute(text, find_text)


def is_true(value: object) -> bool:
    """Read the value of a condition, such as `True` or `false`.

    Raises:
        ArmError: 400, if it is neither true nor false.
    """
    if str(value).strip().lower() not in ("true", "false"):
        raise bad_request(f"A condition must be true or false, not {value!r}.")
    return _is_true(value)


def _is_true(value: object) -> bool:
    return str(value).strip().lower() == "true"
