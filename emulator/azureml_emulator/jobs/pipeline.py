"""Run a pipeline: each node once its dependencies have ended."""

from __future__ import annotations

import asyncio
import json
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path

from azureml_emulator.arm.errors import ArmError, bad_request
from azureml_emulator.arm.resources import now, object_in
from azureml_emulator.jobs.assets import find_asset
from azureml_emulator.jobs.computes import check_compute
from azureml_emulator.jobs.delivery import output_uri
from azureml_emulator.jobs.expressions import expressions_in
from azureml_emulator.jobs.graph import (
    Condition,
    Graph,
    Node,
    command_spec,
    complete_inputs,
    is_true,
    read_component_graph,
    read_graph,
    resolve,
)
from azureml_emulator.jobs.job_context import JobContext
from azureml_emulator.jobs.logs import PIPELINE_LOG
from azureml_emulator.jobs.runs import Run, Status
from azureml_emulator.jobs.specs import DATA_TYPES, CommandSpec, Data, Value, read_inputs, read_output
from azureml_emulator.store import Document, Store

CONTROL_OUTPUTS = "azureml.pipeline.control"
"""The run property with the values of control outputs, as JSON."""

RunCommand = Callable[[Run, CommandSpec], Awaitable[None]]
"""Runs a command to its end; a failure shows in the run's status."""


class Outcome(Enum):
    """The outcome of a node or condition."""

    COMPLETED = auto()
    FAILED = auto()
    SKIPPED = auto()


@dataclass(frozen=True)
class PipelineSpec:
    """What a pipeline job runs.

    Attributes:
        graph: Its nodes and conditions.
        inputs: The values of its inputs.
        outputs: Where its outputs go.
        compute: The default compute of its nodes.
        continue_on_step_failure: Whether nodes that do not need a failed one still run.
    """

    graph: Graph
    inputs: Mapping[str, Value]
    outputs: Mapping[str, Data]
    compute: str | None
    continue_on_step_failure: bool


def read_pipeline_job(store: Store, properties: Document) -> PipelineSpec:
    """Read a pipeline job from its `properties`.

    Raises:
        ArmError: 400 or 501, if it cannot run.
    """
    inputs: Mapping[str, Value] = read_inputs(object_in(properties, "inputs"))
    outputs = {name: read_output(name, output) for name, output in object_in(properties, "outputs").items()}
    settings = object_in(properties, "settings")
    if reference := properties.get("componentId"):
        component = find_asset(store, str(reference), "components")["properties"]["componentSpec"]
        graph = read_component_graph(store, component)
        inputs = complete_inputs("the job", component, inputs)
        outputs = {name: Data("uri_folder") for name in object_in(component, "outputs")} | outputs
    else:
        graph = read_graph(store, object_in(properties, "jobs"), outputs)
    compute = settings.get("default_compute") or properties.get("computeId")
    # The service's default.
    continues = settings.get("continue_on_step_failure") is not False
    return PipelineSpec(graph, inputs, outputs, None if compute is None else str(compute), continues)


async def run_pipeline(context: JobContext, run: Run, spec: PipelineSpec, run_command: RunCommand) -> None:
    """Run a pipeline to its end; `run_command` runs its commands.

    Raises:
        ArmError: If one of its nodes fails.
    """
    await _Pipeline(context, run, spec, run_command).run()


class _Pipeline:
    """One pipeline while it runs."""

    def __init__(self, context: JobContext, run: Run, spec: PipelineSpec, run_command: RunCommand) -> None:
        self._context = context
        self._run = run
        self._spec = spec
        self._run_command = run_command
        self._runs: dict[str, Run] = {}
        self._results: dict[str, bool] = {}
        self._outputs: dict[str, dict[str, Value]] = {}
        self._tasks: dict[str, asyncio.Task[Outcome]] = {}

    async def run(self) -> None:
        runs, graph = self._context.runs, self._spec.graph
        runs.advance(self._run.id, Status.RUNNING)
        self._runs = {name: runs.put(self._new_run(node)) for name, node in graph.nodes.items()}
        for item in graph.items:
            self._tasks[item.name] = asyncio.create_task(self._work(item))
        try:
            failed = await self._wait()
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if failed:
            await self._log(f"Failed: {', '.join(failed)}")
            raise ArmError(
                400,
                "UserError",
                f"Pipeline has failed child jobs. Failed nodes: {', '.join(f'/{name}' for name in failed)}. For more"
                f" details and logs, please go to the job detail page and check the child jobs. {self._first_error()}",
            )
        runs.advance(self._run.id, Status.FINALIZING)
        runs.change(self._run.id, outputs=self._pipeline_outputs())
        await self._log("Completed")

    async def _wait(self) -> list[str]:
        """Wait for all nodes, or for the failure that ends the pipeline.

        Returns:
            The names of the failed nodes.
        """
        waiting = set(self._tasks.values())
        while waiting:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if self._failed() and not self._spec.continue_on_step_failure:
                await self._log("A node failed: cancelling the others")
                break
        return self._failed()

    def _failed(self) -> list[str]:
        return [
            name
            for name, task in self._tasks.items()
            if task.done() and not task.cancelled() and task.result() is Outcome.FAILED
        ]

    def _new_run(self, node: Node) -> Run:
        tags, properties = (object_in(node.settings, name) for name in ("tags", "properties"))
        return Run(
            id=str(uuid.uuid4()),
            kind="Pipeline" if node.graph else "Command",
            experiment=self._run.experiment,
            parent=self._run.id,
            root=self._run.root or self._run.id,
            display_name=node.display_name,
            tags=tags,
            properties={"azureml.pipelinerunid": self._run.id, "azureml.nodename": node.name, **properties},
        )

    async def _work(self, item: Node | Condition) -> Outcome:
        """Wait for the dependencies of a node or condition, then run it."""
        if item.waits_for:
            await asyncio.wait([self._tasks[name] for name in item.waits_for])
        outcomes = {self._tasks[name].result() for name in item.waits_for}
        if outcomes - {Outcome.COMPLETED}:
            return self._skip(item)
        if isinstance(item, Condition):
            return await self._decide(item)
        if any(self._results[gate] is not wanted for gate, wanted in item.gates.items()):
            await self._log(f"{item.name} is skipped by its condition")
            return self._skip(item)
        return await self._run_node(item)

    def _skip(self, item: Node | Condition) -> Outcome:
        """Delete the run of a node that never starts."""
        if isinstance(item, Node):
            self._context.runs.delete_tree(self._runs[item.name].id)
        return Outcome.SKIPPED

    async def _decide(self, condition: Condition) -> Outcome:
        try:
            value = resolve(condition.expression, self._spec.inputs, self._outputs, where=condition.name)
            self._results[condition.name] = is_true(value)
        except ArmError as error:
            await self._log(f"{condition.name} cannot be evaluated: {error.message}")
            return Outcome.FAILED
        await self._log(f"{condition.name} is {self._results[condition.name]}")
        return Outcome.COMPLETED

    async def _run_node(self, node: Node) -> Outcome:
        run = self._runs[node.name]
        await self._log(f"Submitting {node.name}, run {run.id}")
        try:
            inputs = self._inputs(node)
            compute = self._compute(node)
            self._context.runs.change(run.id, compute=compute)
            if node.graph:
                await self._run_below(node, run, node.graph, inputs, compute)
            else:
                outputs = {name: self._place(node, name) for name in node.outputs}
                await self._run_command(run, command_spec(node, inputs, outputs, self._limits(node)))
            ended = self._context.runs.get(run.id)
            if ended is not None and ended.status is Status.COMPLETED:
                self._outputs[node.name] = await self._node_outputs(node, ended)
        except ArmError as error:
            self._context.runs.end(run.id, Status.FAILED, error.document())
        ended = self._context.runs.get(run.id)
        status = ended.status if ended else Status.CANCELED
        await self._log(f"{node.name} is {status}")
        return Outcome.COMPLETED if status is Status.COMPLETED else Outcome.FAILED

    async def _run_below(
        self, node: Node, run: Run, graph: Graph, inputs: Mapping[str, Value], compute: str | None
    ) -> None:
        outputs = {name: self._place(node, name) for name in node.outputs}
        spec = replace(self._spec, graph=graph, inputs=inputs, outputs=outputs, compute=compute)
        await run_pipeline(self._context, run, spec, self._run_command)
        self._context.runs.end(run.id, Status.COMPLETED)

    def _inputs(self, node: Node) -> dict[str, Value]:
        values: dict[str, Value] = {}
        declared = object_in(node.component, "inputs")
        for name, bound in node.inputs.items():
            where = f"The input {name!r} of {node.name!r}"
            value = resolve(bound, self._spec.inputs, self._outputs, where=where) if isinstance(bound, str) else bound
            if value is None:
                continue
            wanted = declared.get(name, {}).get("type")
            if (wanted in DATA_TYPES) != isinstance(value, Data):
                raise bad_request(f"{where} must be {wanted}, not {value!r}.")
            mode = object_in(object_in(node.settings, "inputs"), name).get("mode")
            values[name] = replace(value, mode=mode or value.mode) if isinstance(value, Data) else value
        return complete_inputs(node.name, node.component, values)

    def _compute(self, node: Node) -> str | None:
        compute: Value | None = node.compute or self._spec.compute
        if node.compute:
            compute = resolve(node.compute, self._spec.inputs, self._outputs, where=f"The compute of {node.name!r}")
        return check_compute(self._context.store, self._context.settings.workspace_id, compute)

    def _limits(self, node: Node) -> Document:
        limits = object_in(node.settings, "limits")
        bound = str(limits.get("timeout"))
        if not expressions_in(bound):
            return limits
        timeout = resolve(bound, self._spec.inputs, self._outputs, where=f"The timeout of {node.name!r}")
        # An input that is a number counts seconds, as in azure-ai-ml's `timeout`.
        return {**limits, "timeout": f"PT{timeout}S" if str(timeout).isdecimal() else timeout}

    def _place(self, node: Node, name: str) -> Data:
        """Return where a node's output goes: for a pipeline's output, where that goes, and as which asset."""
        output = node.outputs[name]
        promoted = self._spec.outputs.get(node.promoted.get(name, ""))
        if promoted is None:
            return output
        uri = output_uri(self._run, node.promoted[name], promoted) if promoted.uri else output.uri
        return replace(output, uri=uri, asset=promoted.asset or output.asset)

    async def _node_outputs(self, node: Node, run: Run) -> dict[str, Value]:
        """Return the values of a node's outputs."""
        made: dict[str, Value] = {
            name: Data(node.outputs[name].type, output["uri"], of_node=True) for name, output in run.outputs.items()
        }
        try:
            control = json.loads(run.properties.get(CONTROL_OUTPUTS, "{}"))
        except ValueError:
            raise bad_request(f"The property {CONTROL_OUTPUTS} of {node.name!r} is not JSON.") from None
        made |= {name: str(control[name]) for name in node.outputs if name in control}
        if node.graph is None:
            made |= await self._control_outputs(node, run, {*node.outputs} - {*made})
        return made

    async def _control_outputs(self, node: Node, run: Run, names: set[str]) -> dict[str, Value]:
        """Return the control outputs that a command wrote to files."""
        values: dict[str, Value] = {}
        for name in sorted(names):
            output = self._place(node, name)
            if output.type not in DATA_TYPES:
                with tempfile.TemporaryDirectory() as folder, suppress(ArmError):
                    path = await self._context.blobs.download(output_uri(run, name, output), Path(folder))
                    values[name] = path.read_text()
        return values

    def _pipeline_outputs(self) -> dict[str, dict[str, str]]:
        """Return the pipeline's outputs."""
        collected = {}
        for name, node in self._spec.graph.nodes.items():
            for output, promoted in node.promoted.items():
                value = self._outputs.get(name, {}).get(output)
                if isinstance(value, Data) and value.uri:
                    collected[promoted] = {"uri": value.uri, "type": value.type}
        return collected

    def _first_error(self) -> str:
        errors = [run.error["message"] for run in self._context.runs.children(self._run.id) if run.error]
        return errors[0] if errors else ""

    async def _log(self, line: str) -> None:
        await self._context.blobs.append(self._run.artifact(PIPELINE_LOG), f"[{now()}] {line}\n".encode())
