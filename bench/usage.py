"""Run a command as a whole process and measure the resources that it uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import launcher
from kfp_azureml.local.child_group import child_group

TIMEOUT_SECONDS = 3600.0
MEGABYTE = 1e6


class CommandError(Exception):
    """A measured command failed or timed out."""


@dataclass(frozen=True)
class Usage:
    """Resources used by a command and the children that it waited for.

    Attributes:
        user: CPU seconds in user mode.
        system: CPU seconds in the kernel.
        wall: Elapsed seconds.
        peak_rss: Peak resident memory of its largest process, in bytes.
        output: Its stdout and stderr.
    """

    user: float
    system: float
    wall: float
    peak_rss: int
    output: str


def measure(
    command: Sequence[str | Path | int],
    *,
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Usage:
    """Run a command to its end and measure it.

    Args:
        command: The program and its arguments.
        environment: Environment variables in addition to this process's.
        timeout_seconds: Time after which the command is killed.

    Raises:
        CommandError: If it fails or times out; the message has the end of its output.
    """
    words = [str(part) for part in command]
    variables = {**os.environ, **(environment or {})}
    # Without bytecode files each process would compile everything that it imports.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        result, output = Path(scratch) / "usage.json", Path(scratch) / "output"
        with (
            output.open("wb") as stream,
            child_group(
                [sys.executable, "-I", "-S", launcher.__file__, str(result), *words],
                variables,
                stdout=stream,
                stderr=subprocess.STDOUT,
            ) as child,
        ):
            try:
                child.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                raise CommandError(f"{' '.join(words)}: timed out after {timeout_seconds:.0f} s") from None
        text = output.read_text(errors="replace")
        figures = json.loads(result.read_text()) if result.exists() else {"exit_code": child.returncode}
    exit_code = figures.pop("exit_code")
    if exit_code != 0:
        raise CommandError(f"{' '.join(words)}: exit code {exit_code}\n{text[-2000:]}")
    return Usage(**figures, output=text)
