"""The child in which kfp.local runs a compiled pipeline; the supervisor owns its process group.

kfp.local forwards no signal and keeps running its steps when it is asked to end: so it gets a process of its own,
whose group the supervisor signals as a whole.
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

from kfp_azureml.local.containers import ContainerSettings, run_container
from kfp_azureml.local.environments import Offer
from kfp_azureml.local.processes import end_with
from kfp_azureml.local.step_process import EXECUTOR, run_step_process
from kfp_azureml.local.values import carry_values_as_kubeflow_does
from kfp_azureml.runtime.cancellation import cancellable
from kfp_azureml.runtime.errors import CancelledError, first_line
from kfp_azureml.runtime.garbage_collector import little_garbage

PIPELINE_ENDED = "PipelineFailed"
"""Begins the log's last line, on why a pipeline failed."""


@dataclass(frozen=True)
class StepSettings:
    """How the steps of a run are started.

    Attributes:
        offer: What single steps get of the caller's environment.
        containers: How to start their containers; None: they are processes of this machine.
        binaries: The folder with the interpreter of each executor that does not use this one.
    """

    offer: Offer = field(default_factory=Offer)
    containers: ContainerSettings | None = None
    binaries: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> StepSettings:
        """Read what another process wrote with `json` and `asdict`."""
        read = json.loads(text)
        containers = ContainerSettings(**read["containers"]) if read["containers"] else None
        return cls(Offer(**read["offer"]), containers, read["binaries"])


def run_pipeline(pipeline: Path, arguments: dict[str, Any], outputs: Path, settings: StepSettings) -> None:
    """Run a compiled pipeline with kfp's runners: in this interpreter, or in the steps' containers.

    Args:
        pipeline: A compiled pipeline.
        arguments: Values of the pipeline's parameters, by name; the others keep their defaults.
        outputs: Folder for the steps' outputs.
        settings: How to start the steps.

    Raises:
        RuntimeError: If a step failed; its own error is in the log and in the events.
    """
    from kfp import components, local

    # kfp warns of images whose name does not say "python", and of settings that only a cluster knows.
    warnings.filterwarnings("ignore", message="You may be attemping to run a task", category=RuntimeWarning)
    warnings.filterwarnings("ignore", message=".* have no effect in the current local runner", category=UserWarning)
    carry_values_as_kubeflow_does()
    local.init(
        _docker_runner(settings.containers, settings.offer) if settings.containers else _process_runner(settings),
        pipeline_root=str(outputs),
        workspace_root=str(outputs / "workspace"),
        raise_on_error=True,
    )
    components.load_component_from_text(_with_labels(pipeline))(**arguments)


def _with_labels(pipeline: Path) -> str:
    """Return a compiled pipeline in which each executor tells its runner its label."""
    import yaml

    documents = list(yaml.safe_load_all(pipeline.read_text(encoding="utf-8")))
    for label, executor in documents[0]["deploymentSpec"]["executors"].items():
        if "container" in executor:
            executor["container"].setdefault("env", []).append({"name": EXECUTOR, "value": label})
    text: str = yaml.safe_dump_all(documents, sort_keys=False)
    return text


def _process_runner(settings: StepSettings) -> Any:
    from kfp import local
    from kfp.local import subprocess_task_handler

    def run(full_command: list[str], env_vars: dict[str, str]) -> int:
        return run_step_process(full_command, env_vars, settings.offer, settings.binaries)

    def leave(full_command: list[str], _new_executable: str) -> list[str]:
        """Leave `python3` as it is: kfp would put our path into a shell's script, unquoted."""
        return full_command

    subprocess_task_handler.run_local_subprocess = run
    subprocess_task_handler.replace_python_executable = leave
    return local.SubprocessRunner(use_venv=False)


def _docker_runner(containers: ContainerSettings, offer: Offer) -> Any:
    from kfp import local
    from kfp.local import docker_task_handler

    docker_task_handler.run_docker_container = partial(run_container, offer)
    return local.DockerRunner(**containers.runner_arguments())


def main() -> None:
    """Run the pipeline that the arguments name: PIPELINE ARGUMENTS_JSON OUTPUTS.

    The settings of the steps come on stdin, since they hold credentials: `StepSettings` as JSON.
    """
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    pipeline, arguments, outputs = sys.argv[1:]
    settings = StepSettings.from_json(sys.stdin.read())
    try:
        # The step gets the same signal: it cleans up while this process waits for it.
        with cancellable(), little_garbage():
            run_pipeline(Path(pipeline), json.loads(Path(arguments).read_text()), Path(outputs), settings)
    except CancelledError:
        sys.exit(CancelledError.exit_code)
    except Exception as error:
        logging.exception("The pipeline failed.")
        sys.exit(f"{PIPELINE_ENDED}: {type(error).__name__}: {first_line(error)}")


if __name__ == "__main__":
    main()
