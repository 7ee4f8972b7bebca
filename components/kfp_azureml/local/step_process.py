"""Run a step as a process; replaces kfp's own function."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from kfp_azureml.compiling.argument_size import ARGUMENT_BYTES
from kfp_azureml.local.environment_variables import StepVariables
from kfp_azureml.local.exit_codes import exit_description
from kfp_azureml.local.step_packages import split_command
from kfp_azureml.local.task_command import read_task
from kfp_azureml.local.worker_group import TRAIN, run_workers

EXECUTOR = "KFP_AZUREML_EXECUTOR"
"""Environment variable with the label of a task's executor, for the runner; the step does not get it."""
TASK_ENDED = "TaskError"
"""Prefix of the log line about a failed task, with the step's name and how it ended."""


def run_step_process(
    command: Sequence[str],
    variables: Mapping[str, str],
    allowed: StepVariables,
    binaries: Mapping[str, str],
    workers: int = 1,
) -> int:
    """Run a step until it ends, and print its output, which kfp writes to the run's log.

    Args:
        command: The step's command and arguments.
        variables: Environment variables of its component, including `EXECUTOR`.
        allowed: Variables of the caller's environment for single steps.
        binaries: Folders of the interpreters, by label, for executors that do not use this one.
        workers: Number of processes for `train`.

    Returns:
        The exit code.
    """
    variables = dict(variables)
    executor = variables.pop(EXECUTOR)
    task = read_task(executor, command)
    _, command = split_command(command)
    folder = binaries.get(executor, str(Path(sys.executable).parent))
    # PATH selects `python3`: a path in the command would become part of a shell script.
    path = f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**os.environ, **allowed.for_task(task), **variables, "PATH": path}
    try:
        if workers > 1 and task.function == TRAIN:
            code = run_workers(workers, command, environment)
        else:
            code = _run_alone(command, environment)
    except OSError as error:
        print(f"{TASK_ENDED}: {task.name}: cannot be started: {_reason(error, command)}")  # noqa: T201
        return 127
    if code:
        print()  # noqa: T201 - the output may not end with a newline
        print(f"{TASK_ENDED}: {task.name}: {exit_description(code)}")  # noqa: T201
    return code


def _run_alone(command: Sequence[str], environment: Mapping[str, str]) -> int:
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
        return process.wait()


def _reason(error: OSError, command: Sequence[str]) -> str:
    longest = max(len(os.fsencode(word)) for word in command)
    if longest > ARGUMENT_BYTES:
        return (
            f"{error.strerror}: its inputs have {longest:,} bytes, and Linux allows {ARGUMENT_BYTES:,}: "
            "pass long values as artifacts"
        )
    return str(error.strerror)
