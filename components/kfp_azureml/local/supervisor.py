"""Runs a compiled pipeline in a process group of its own and follows its steps."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kfp_azureml.local.child_group import child_group
from kfp_azureml.local.containers import remove_containers
from kfp_azureml.local.event_log import EventLog, StepRecord
from kfp_azureml.local.pipeline_process import StepSettings
from kfp_azureml.local.run_failure import how_last_step_ended, why_it_failed
from kfp_azureml.runtime.errors import CancelledError, PipelineError
from kfp_azureml.runtime.step import EVENTS_FILE

POLL_SECONDS = 0.1


def supervise(
    pipeline: Path,
    arguments: Mapping[str, Any],
    events: EventLog,
    environment: Mapping[str, str],
    on_change: Callable[[StepRecord], None],
    settings: StepSettings = StepSettings(),  # noqa: B008 - it cannot be changed
    check: Callable[[], None] = lambda: None,
) -> None:
    """Run a compiled pipeline to its end.

    However this function is left, by a return, an error, Ctrl-C or SIGTERM, no process or container of the run is
    left; after SIGKILL of this process the run's processes end by themselves.

    Args:
        pipeline: The compiled pipeline.
        arguments: Values for its parameters, by name.
        events: Follows the steps. Its file stands in the run's folder, which also gets `log.txt`, `arguments.json`
            and `outputs/`.
        environment: The environment variables of all steps' processes.
        on_change: Called with a step whenever its state or progress changes.
        settings: How the steps are started.
        check: Called now and then; what it raises ends the run, such as that the local Azure ML is gone.

    Raises:
        PipelineError: If a step failed, with the step's own error.
        CancelledError: If the run was cancelled.
    """
    folder = events.path.parent
    arguments_file = folder / "arguments.json"
    arguments_file.write_text(json.dumps(dict(arguments), indent=2) + "\n")
    command = [sys.executable, "-m", "kfp_azureml.local.pipeline_process"]
    command += [str(pipeline), str(arguments_file), str(folder / "outputs")]
    try:
        with (
            (folder / "log.txt").open("ab") as log,
            # kfp leaves a temporary folder behind for each step.
            tempfile.TemporaryDirectory(prefix="tmp-", dir=folder, ignore_cleanup_errors=True) as scratch,
            child_group(
                command,
                {**environment, EVENTS_FILE: str(events.path), "PYTHONUNBUFFERED": "1", "TMPDIR": scratch},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as child,
        ):
            assert child.stdin is not None  # noqa: S101 - asked for above
            # A child that is gone already says why below.
            with suppress(BrokenPipeError), child.stdin:
                child.stdin.write(json.dumps(asdict(settings)).encode())
            while child.poll() is None:
                check()
                for step in events.refresh():
                    on_change(step)
                time.sleep(POLL_SECONDS)
            if child.returncode != 0:
                check()  # what a step says of a service that is gone is not the reason
    except CancelledError:
        events.close("cancelled")
        raise
    finally:
        if settings.containers:
            remove_containers(settings.containers.run)
    log_file = folder / "log.txt"
    events.close("failed", how_last_step_ended(log_file) or "its process ended without a word")
    for step in events.steps:
        on_change(step)
    if child.returncode != 0:
        failed = [step for step in events.steps if step.state != "succeeded"]
        raise PipelineError(failed[-1].error if failed else why_it_failed(log_file, child.returncode))
