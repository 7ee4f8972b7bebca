"""Describe how a process ended."""

from __future__ import annotations

import signal


def exit_description(code: int) -> str:
    """Describe how a process ended, from its exit code as in a shell or `subprocess`."""
    number = -code if code < 0 else code - 128
    if number <= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"ended with exit code {code}"
    return "was killed (SIGKILL; possibly out of memory)" if name == "SIGKILL" else f"was ended by {name}"
