"""The expressions of Azure ML in commands and bindings: `${{inputs.x}}`, `$[[--x ${{inputs.x}}]]`, `${{parent...}}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from azureml_emulator.arm.errors import bad_request

EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")
OPTIONAL_GROUP = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)


def expressions_in(text: str) -> list[str]:
    """List what a text refers to.

    Args:
        text: Such as `${{parent.jobs.train.outputs.model}}`.

    Returns:
        The insides of the braces, such as `parent.jobs.train.outputs.model`.
    """
    return EXPRESSION.findall(text)


def substitute(text: str, find: Callable[[str], str]) -> str:
    """Put values in the place of expressions.

    Args:
        text: The text.
        find: Gives the value of the inside of an expression.

    Returns:
        The text with its values.
    """
    return EXPRESSION.sub(lambda match: find(match[1]), text)


def render_command(command: str, values: Mapping[str, str]) -> str:
    """Write a command line with its inputs and outputs, as the service does: nothing is quoted.

    Args:
        command: The command. A part in `$[[...]]` is left out when it refers to something that was not given.
        values: The values by expression, such as `inputs.data` and `outputs.model`.

    Returns:
        The command for a shell.

    Raises:
        ArmError: 400, if a part that is not optional refers to something that was not given.
    """

    def find(expression: str) -> str:
        if expression not in values:
            raise bad_request(f"The command refers to ${{{{{expression}}}}}, which the job was not given.")
        return values[expression]

    def group(match: re.Match[str]) -> str:
        return match[1] if all(expression in values for expression in expressions_in(match[1])) else ""

    return substitute(OPTIONAL_GROUP.sub(group, command), find)
