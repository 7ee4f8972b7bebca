"""Running a step as a process of this machine, in place of kfp's own function."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from kfp_azureml.compiling.lengths import ARGUMENT_BYTES
from kfp_azureml.local.environment_variables import StepVariables
from kfp_azureml.local.step_packages import split_command
from kfp_azureml.local.task_command import read_task

EXECUTOR = "KFP_AZUREML_EXECUTOR"
"""Variable by which a task's runner learns the label of its executor; the step itself does not see it."""
TASK_ENDED = "TaskError"
"""Begins the log's line on a task that failed."""


def run_step_process(
    command: Sequence[str], variables: Mapping[str, str], allowed: StepVariables, binaries: Mapping[str, str]
) -> int:
    """Run a step to its end, and print its output, which kfp puts into the run's log.

    Args:
        command: The step's command and arguments.
        variables: The environment variables of its component, `EXECUTOR` among them.
        allowed: What it may get of the caller's environment beside what this process has.
        binaries: The folder with the interpreter of each executor that does not use this one.

    Returns:
        The exit code.
    """
    variables = dict(variables)
    executor = variables.pop(EXECUTOR)
    task = read_task(executor, command)
    _, command = split_command(command)
    folder = binaries.get(executor, str(Path(sys.executable).parent))
    # A command names `python3`: a path in its place would be a part of a shell's script.
    path = f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**os.environ, **allowed.for_task(task), **variables, "PATH": path}
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
        ) as process:
            assert process.stdout is not None  # noqa: S101 - asked for above
            for line in process.stdout:
                print(line, end="")  # noqa: T201 - kfp puts it into the run's log
            code = process.wait()
    except OSError as error:
        print(f"{TASK_ENDED}: {task.name} cannot be started: {_reason(error, command)}")  # noqa: T201
        return 127
    if code:
        print()  # noqa: T201 - what was printed last may have no end of line
        print(f"{TASK_ENDED}: {task.name} {how_it_ended(code)}")  # noqa: T201
    return code


def how_it_ended(code: int) -> str:
    """Return in words how a process ended, from its exit code as a shell or `subprocess` gives it."""
    number = -code if code < 0 else code - 128
    if number <= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"ended with exit code {code}"
    return f"was ended by {name}{' (killed, or out of memory?)' if name == 'SIGKILL' else ''}"


def _reason(error: OSError, command: Sequence[str]) -> str:
    longest = max(len(os.fsencode(word)) for word in command)
    if longest > ARGUMENT_BYTES:
        return (
            f"{error.strerror}: its inputs take {longest:,} bytes, and Linux {ARGUMENT_BYTES:,} at most; "
            "pass long values as artifacts"
        )
    return str(error.strerror)
