"""Read a task's function and parameters from the command that kfp.local runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """A task of a pipeline.

    Attributes:
        executor: Label of its executor in the compiled pipeline, such as `exec-train`.
        function: Function of its Python component; empty for a container component.
        parameters: Values of its input parameters.
    """

    executor: str
    function: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The step's name, such as `train`."""
        return self.executor.removeprefix("exec-").replace("-", "_")


def read_task(executor: str, command: Sequence[str]) -> Task:
    """Read a task from its command.

    Args:
        executor: Label of its executor.
        command: Its command and arguments, with kfp's placeholders replaced.
    """
    given = _after("--executor_input", command)
    inputs = json.loads(given).get("inputs", {}) if given else {}
    return Task(executor, function_of(command), inputs.get("parameterValues", {}))


def function_of(command: Sequence[str]) -> str:
    """Return the function of a Python component from its command; empty for a container component."""
    return _after("--function_to_execute", command)


def _after(option: str, command: Sequence[str]) -> str:
    return command[command.index(option) + 1] if option in command else ""
