"""Run a compiled pipeline in its own process group and follow its steps."""

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
from kfp_azureml.local.run_failure import failure_reason, last_step_exit
from kfp_azureml.runtime.errors import CancelledError, PipelineError
from kfp_azureml.runtime.step import EVENTS_FILE

POLL_SECONDS = 0.1


def supervise(
    pipeline: Path,
    arguments: Mapping[str, Any],
    events: EventLog,
    environment: Mapping[str, str],
    on_change: Callable[[StepRecord], None],
    settings: StepSettings = StepSettings(),  # noqa: B008 - immutable
    check: Callable[[], None] = lambda: None,
) -> None:
    """Run a compiled pipeline until it ends.

    No process or container of the run is left after this function returns or raises, also on Ctrl-C or SIGTERM. After
    SIGKILL of this process, watchdogs end the run's processes.

    Args:
        pipeline: The compiled pipeline.
        arguments: Parameter values by name.
        events: Reads the steps' events. Its file is in the run's folder, where `log.txt`, `arguments.json` and
            `outputs/` are written too.
        environment: Environment variables of all steps.
        on_change: Called with a step when its state or progress changes.
        settings: How to start the steps.
        check: Called periodically; an exception ends the run, such as when the Azure ML emulator has ended.

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
            # kfp does not delete its temporary folder of each step.
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
            # If the child has ended already, its exit code is handled below.
            with suppress(BrokenPipeError), child.stdin:
                child.stdin.write(json.dumps(asdict(settings)).encode())
            while child.poll() is None:
                check()
                for step in events.refresh():
                    on_change(step)
                time.sleep(POLL_SECONDS)
            if child.returncode != 0:
                check()  # an ended Azure ML is the cause of the steps' errors
    except CancelledError:
        events.close("cancelled")
        raise
    finally:
        if settings.containers:
            remove_containers(settings.containers.run)
    log_file = folder / "log.txt"
    events.close("failed", last_step_exit(log_file) or "its process ended without an error message")
    for step in events.steps:
        on_change(step)
    if child.returncode != 0:
        # A failed worker cancels the others.
        failed = [step for step in events.steps if step.state != "succeeded"]
        failed.sort(key=lambda step: step.state == "failed")
        raise PipelineError(failed[-1].error if failed else failure_reason(log_file, child.returncode))
