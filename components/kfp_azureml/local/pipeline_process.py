"""The child process in which kfp.local runs a compiled pipeline.

kfp.local does not forward signals to its steps, so it runs in its own process group, which the supervisor signals.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from kfp_azureml.local.child_group import end_with
from kfp_azureml.local.containers import ContainerSettings, run_container
from kfp_azureml.local.environment_variables import StepVariables
from kfp_azureml.local.parameter_values import patch_parameter_values
from kfp_azureml.local.step_process import EXECUTOR, run_step_process
from kfp_azureml.runtime.cancellation import cancellable
from kfp_azureml.runtime.errors import CancelledError, first_line
from kfp_azureml.runtime.garbage_collector import relaxed_gc

PIPELINE_ENDED = "PipelineFailed"
"""Prefix of the log's last line about a failed pipeline."""


@dataclass(frozen=True)
class StepSettings:
    """How to start the steps of a run.

    Attributes:
        variables: Environment variables for single steps.
        containers: Settings of their containers; None runs them as processes.
        binaries: Folders of the interpreters, by label, for executors that do not use this one.
        workers: Number of processes that train together.
    """

    variables: StepVariables = field(default_factory=StepVariables)
    containers: ContainerSettings | None = None
    binaries: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1

    @classmethod
    def from_json(cls, text: str) -> StepSettings:
        """Read settings that another process wrote with `json` and `asdict`."""
        read = json.loads(text)
        containers = ContainerSettings(**read["containers"]) if read["containers"] else None
        return cls(StepVariables(**read["variables"]), containers, read["binaries"], read["workers"])


def run_pipeline(pipeline: Path, arguments: dict[str, Any], outputs: Path, settings: StepSettings) -> None:
    """Run a compiled pipeline with kfp's runners, as processes or in containers.

    Args:
        pipeline: A compiled pipeline.
        arguments: Parameter values by name; missing ones keep their default.
        outputs: Folder for the steps' outputs.
        settings: How to start the steps.

    Raises:
        RuntimeError: If a step failed; its error is in the log and the events.
    """
    from kfp import components, local

    # kfp warns about images without "python" in their name, and about settings for clusters.
    warnings.filterwarnings("ignore", message="You may be attemping to run a task", category=RuntimeWarning)
    warnings.filterwarnings("ignore", message=".* have no effect in the current local runner", category=UserWarning)
    patch_parameter_values()
    local.init(
        _docker_runner(settings.containers, settings.variables) if settings.containers else _process_runner(settings),
        pipeline_root=str(outputs),
        workspace_root=str(outputs / "workspace"),
        raise_on_error=True,
    )
    components.load_component_from_text(_for_local_run(pipeline))(**arguments)


def _for_local_run(pipeline: Path) -> str:
    """Return a compiled pipeline without retries, with each executor's label as a variable.

    A retry on the same machine would fail again, after a pause meant for clusters.
    """
    import yaml

    documents = list(yaml.safe_load_all(pipeline.read_text(encoding="utf-8")))
    for label, executor in documents[0]["deploymentSpec"]["executors"].items():
        if "container" in executor:
            executor["container"].setdefault("env", []).append({"name": EXECUTOR, "value": label})
    for group in (documents[0]["root"], *documents[0].get("components", {}).values()):
        for task in group.get("dag", {}).get("tasks", {}).values():
            task.pop("retryPolicy", None)
    text: str = yaml.safe_dump_all(documents, sort_keys=False)
    return text


def _process_runner(settings: StepSettings) -> Any:
    from kfp import local
    from kfp.local import subprocess_task_handler

    def run(full_command: list[str], env_vars: dict[str, str]) -> int:
        return run_step_process(full_command, env_vars, settings.variables, settings.binaries, settings.workers)

    def leave(full_command: list[str], _new_executable: str) -> list[str]:
        """Keep `python3`: kfp would insert our path into a shell script without quotes."""
        return full_command

    subprocess_task_handler.run_local_subprocess = run
    subprocess_task_handler.replace_python_executable = leave
    return local.SubprocessRunner(use_venv=False)


def _docker_runner(containers: ContainerSettings, allowed: StepVariables) -> Any:
    from kfp import local
    from kfp.local import docker_task_handler

    docker_task_handler.run_docker_container = partial(run_container, allowed)
    return local.DockerRunner(**containers.runner_arguments())


def main() -> None:
    """Run a pipeline; the arguments are PIPELINE ARGUMENTS_JSON OUTPUTS.

    `StepSettings` is read as JSON from stdin, since it contains credentials.
    """
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    pipeline, arguments, outputs = sys.argv[1:]
    settings = StepSettings.from_json(sys.stdin.read())
    try:
        # The step gets the same signal and cleans up while this process waits.
        with cancellable(), relaxed_gc():
            run_pipeline(Path(pipeline), json.loads(Path(arguments).read_text()), Path(outputs), settings)
    except CancelledError:
        sys.exit(CancelledError.exit_code)
    except Exception as error:
        logging.exception("The pipeline failed.")
        sys.exit(f"{PIPELINE_ENDED}: {type(error).__name__}: {first_line(error)}")


if __name__ == "__main__":
    main()
