"""The child in which kfp.local runs a compiled pipeline; the supervisor owns its process group.

kfp.local forwards no signal and keeps running its steps when it is asked to end: so it gets a process of its own,
whose group the supervisor signals as a whole.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

from kfp_azureml.cancellation import cancellable
from kfp_azureml.errors import CancelledError
from kfp_azureml.garbage import little_garbage
from kfp_azureml.local.containers import ContainerSettings, run_container
from kfp_azureml.local.values import carry_values_as_kubeflow_does


def run_pipeline(
    pipeline: Path, arguments: dict[str, Any], outputs: Path, containers: ContainerSettings | None
) -> None:
    """Run a compiled pipeline with kfp's runners: in this interpreter, or in the steps' containers.

    Args:
        pipeline: A compiled pipeline.
        arguments: Values of the pipeline's parameters, by name; the others keep their defaults.
        outputs: Folder for the steps' outputs.
        containers: How to start containers; None: none are used.

    Raises:
        RuntimeError: If a step failed; its own error is in the log and in the events.
    """
    from kfp import components, local

    # kfp warns of images whose name does not say "python", and of settings that only a cluster knows.
    warnings.filterwarnings("ignore", message="You may be attemping to run a task", category=RuntimeWarning)
    warnings.filterwarnings("ignore", message=".* have no effect in the current local runner", category=UserWarning)
    carry_values_as_kubeflow_does()
    local.init(
        _docker_runner(containers) if containers else local.SubprocessRunner(use_venv=False),
        pipeline_root=str(outputs),
        workspace_root=str(outputs / "workspace"),
        raise_on_error=True,
    )
    components.load_component_from_file(str(pipeline))(**arguments)


def _docker_runner(containers: ContainerSettings) -> Any:
    from kfp import local
    from kfp.local import docker_task_handler

    docker_task_handler.run_docker_container = run_container
    return local.DockerRunner(**containers.runner_arguments())


def main() -> None:
    """Run the pipeline that the arguments name: PIPELINE ARGUMENTS_JSON OUTPUTS.

    The settings of containers come on stdin, since they hold the steps' credentials: JSON, or nothing.
    """
    pipeline, arguments, outputs = sys.argv[1:]
    settings = sys.stdin.read()
    containers = ContainerSettings(**json.loads(settings)) if settings else None
    try:
        # The step gets the same signal: it cleans up while this process waits for it.
        with cancellable(), little_garbage():
            run_pipeline(Path(pipeline), json.loads(Path(arguments).read_text()), Path(outputs), containers)
    except CancelledError:
        sys.exit(CancelledError.exit_code)
    except RuntimeError:
        logging.exception("The pipeline failed.")
        sys.exit(1)


if __name__ == "__main__":
    main()
