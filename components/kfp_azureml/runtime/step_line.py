"""The line that shows a step's state, the same for local runs, Kubeflow and Azure ML."""

from __future__ import annotations

from collections.abc import Iterable

NAME_WIDTH = 20
STATE_WIDTH = 10
_MAX_NAME_WIDTH = 40


def name_width(names: Iterable[str]) -> int:
    """Return the width of the column of names; a name of more than 40 characters shifts its line."""
    return min(max((NAME_WIDTH, *map(len, names))), _MAX_NAME_WIDTH)


def step_line(
    name: str, state: str, seconds: float | None = None, message: str = "", *, width: int = NAME_WIDTH
) -> str:
    """Return a step's name, state, duration and message in columns.

    Args:
        name: The step.
        state: Its state, such as `succeeded`.
        seconds: Its duration; None if it has not ended or is unknown.
        message: What it reported, returned, or failed with.
        width: The width of the column of names.
    """
    duration = "" if seconds is None else f"{seconds:.1f} s"
    return f"  {name:<{width}} {state:<{STATE_WIDTH}} {duration:>9}  {message}".rstrip()
