"""A task that kfp.local is about to run, read from its command."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """A task of a pipeline.

    Attributes:
        executor: The label of its executor in the compiled pipeline, such as `exec-train`.
        function: The function of its component; empty, where its container has a command of its own.
        parameters: The values of its input parameters.
    """

    executor: str
    function: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name as people know it."""
        return self.executor.removeprefix("exec-").replace("-", "_")


def read_task(executor: str, command: Sequence[str]) -> Task:
    """Read a task from its command, with kfp's placeholders filled in.

    Args:
        executor: The label of its executor.
        command: Its command and arguments.
    """
    given = _after("--executor_input", command)
    inputs = json.loads(given).get("inputs", {}) if given else {}
    return Task(executor, _after("--function_to_execute", command), inputs.get("parameterValues", {}))


def _after(option: str, command: Sequence[str]) -> str:
    return command[command.index(option) + 1] if option in command else ""
