"""The line that shows a step's state, the same for local runs, Kubeflow and Azure ML."""

from __future__ import annotations

STATE_WIDTH = 10


def step_line(name: str, state: str, seconds: float | None = None, message: str = "") -> str:
    """Return a step's name, state, duration and message in columns.

    Args:
        name: The step.
        state: Its state, such as `succeeded`.
        seconds: Its duration; None if it has not ended or is unknown.
        message: What it reported, returned, or failed with.
    """
    duration = "" if seconds is None else f"{seconds:.1f} s"
    return f"  {name:<20} {state:<{STATE_WIDTH}} {duration:>9}  {message}".rstrip()
