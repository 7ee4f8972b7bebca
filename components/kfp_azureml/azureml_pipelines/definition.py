"""Read a KFP component from its compiled form, a component.yaml or a compiled pipeline."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kfp_azureml.compiling.numbers import whole_numbers
from kfp_azureml.runtime.errors import PipelineError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EXECUTOR = "kfp.dsl.executor_main"
_NOT_CARRIED = {
    "TASK_FINAL_STATUS": "the run's final status, which only an exit handler has",
    "TASK_CONFIG": "its pod's settings",
}


@dataclass(frozen=True)
class Definition:
    """A KFP component.

    Attributes:
        name: Its name as a Python identifier, such as `aml_register_model`.
        image: The image it runs in.
        inputs: Its inputs as KFP defines them: `parameters` and `artifacts`, each by name.
        outputs: Its outputs, in the same form.
        container: Its command, arguments and environment, as KFP defines them.
    """

    name: str
    image: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    container: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_python(self) -> bool:
        """Whether kfp's executor runs it; if not, it is a container component."""
        return any(_EXECUTOR in word for word in self.container.get("command", []))

    @property
    def docstring(self) -> str:
        """Its docstring; empty if unknown."""
        function = _function(self.container)
        words = self.container.get("command", [])
        return next((_docstring(word, function) for word in words if function and f"def {function}(" in word), "")

    def parameters(self, side: str) -> Mapping[str, Any]:
        """Return the parameters of a side, `inputs` or `outputs`, by name."""
        found: Mapping[str, Any] = getattr(self, side).get("parameters", {})
        return found

    def artifacts(self, side: str) -> Mapping[str, Any]:
        """Return the artifacts of a side, `inputs` or `outputs`, by name."""
        found: Mapping[str, Any] = getattr(self, side).get("artifacts", {})
        return found


def definition_from(name: str, component: Mapping[str, Any], executor: Mapping[str, Any]) -> Definition:
    """Read a component and reject features that Azure ML does not support.

    Args:
        name: Its name in the document, where kfp appends a number to repeated ones. A Python component is named after
            its function instead.
        component: Its interface in the compiled document.
        executor: Its executor in the compiled document.

    Raises:
        PipelineError: If it uses an unsupported feature.
    """
    name = name.replace("-", "_")
    kind = next(iter(executor))
    if kind != "container":
        raise refusal(name, f"it is an {kind}; pass the data as an input of the pipeline or as azureml:NAME:VERSION")
    container = executor["container"]
    if "{{" in container["image"]:
        raise refusal(name, "its image is a parameter; set it when compiling")
    definition = Definition(
        name=_function(container) or name,
        image=container["image"],
        inputs=_with_whole_numbers(component.get("inputDefinitions", {})),
        outputs=component.get("outputDefinitions", {}),
        container={key: container[key] for key in ("command", "args", "env") if key in container},
    )
    for side in ("inputs", "outputs"):
        for what, parameter in definition.parameters(side).items():
            if parameter["parameterType"] in _NOT_CARRIED:
                raise refusal(name, f"its input {what} is {_NOT_CARRIED[parameter['parameterType']]}")
        for what, artifact in definition.artifacts(side).items():
            if artifact.get("isArtifactList"):
                raise refusal(name, f"{what} is a list of artifacts")
        for what in (*definition.parameters(side), *definition.artifacts(side)):
            if not NAME.fullmatch(what):
                raise refusal(name, f"{what!r} is not a valid name in Azure ML: use letters, digits and '_'")
    return definition


def _with_whole_numbers(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Convert whole numbers in default lists and objects of inputs to ints.

    Other defaults have a declared type.
    """
    parameters = {
        name: {**about, "defaultValue": whole_numbers(about["defaultValue"])}
        if about["parameterType"] in ("LIST", "STRUCT") and "defaultValue" in about
        else about
        for name, about in inputs.get("parameters", {}).items()
    }
    return {**inputs, "parameters": parameters} if parameters else dict(inputs)


def refusal(task: str, feature: str) -> PipelineError:
    """Return the error for a task with an unsupported feature."""
    return PipelineError(f"{task}: cannot run on Azure ML: {feature}")


def _function(container: Mapping[str, Any]) -> str:
    words = [*container.get("command", []), *container.get("args", [])]
    return words[words.index("--function_to_execute") + 1] if "--function_to_execute" in words else ""


def _docstring(source: str, function: str) -> str:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == function:
            return ast.get_docstring(node) or ""
    return ""
