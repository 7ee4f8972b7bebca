"""Azure ML's expressions in commands and bindings: `${{inputs.x}}`, `$[[...]]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from azureml_emulator.arm.errors import bad_request

EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")
OPTIONAL_GROUP = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)


def expressions_in(text: str) -> list[str]:
    """List the insides of expressions, such as `parent.jobs.train.outputs.model`."""
    return EXPRESSION.findall(text)


def substitute(text: str, find: Callable[[str], str]) -> str:
    """Replace each expression by the value that `find` returns for its inside."""
    return EXPRESSION.sub(lambda match: find(match[1]), text)


def render_command(command: str, values: Mapping[str, str]) -> str:
    """Insert inputs and outputs into a command; as on the service nothing is quoted.

    Args:
        command: The command. A part in `$[[...]]` is dropped if it uses a missing value.
        values: The values by expression, such as `inputs.data`.

    Raises:
        ArmError: 400, if another part uses a missing value.
    """

    def find(expression: str) -> str:
        if expression not in values:
            raise bad_request(f"The command refers to ${{{{{expression}}}}}, which the job does not set.")
        return values[expression]

    def group(match: re.Match[str]) -> str:
        return match[1] if all(expression in values for expression in expressions_in(match[1])) else ""

    return substitute(OPTIONAL_GROUP.sub(group, command), find)
