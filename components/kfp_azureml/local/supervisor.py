"""Runs a compiled pipeline in a process group of its own and follows its steps."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kfp_azureml.errors import CancelledError, PipelineError
from kfp_azureml.local.containers import CONTAINER_ENDED, ContainerSettings, remove_containers
from kfp_azureml.local.events import EventLog, StepRecord
from kfp_azureml.local.processes import child_group
from kfp_azureml.steps import EVENTS_FILE

POLL_SECONDS = 0.1

_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt)\b")


def supervise(
    pipeline: Path,
    arguments: Mapping[str, Any],
    events: EventLog,
    environment: Mapping[str, str],
    on_change: Callable[[StepRecord], None],
    containers: ContainerSettings | None = None,
) -> None:
    """Run a compiled pipeline to its end.

    However this function is left, by a return, an error, Ctrl-C or SIGTERM, no process or container of the run is
    left; after SIGKILL of this process the run's processes end by themselves.

    Args:
        pipeline: The compiled pipeline.
        arguments: Values for its parameters, by name.
        events: Follows the steps. Its file stands in the run's folder, which also gets `log.txt`, `arguments.json`
            and `outputs/`.
        environment: The steps' environment variables.
        on_change: Called with a step whenever its state or progress changes.
        containers: How to start the steps' containers; None: the steps are processes of this interpreter.

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
                child.stdin.write(json.dumps(asdict(containers)).encode() if containers else b"")
            while child.poll() is None:
                for step in events.refresh():
                    on_change(step)
                time.sleep(POLL_SECONDS)
    except CancelledError:
        events.close("cancelled")
        raise
    finally:
        if containers:
            remove_containers(containers.run)
    events.close("failed")
    for step in events.steps:
        on_change(step)
    if child.returncode != 0:
        failed = [step for step in events.steps if step.state != "succeeded"]
        raise PipelineError(failed[-1].error if failed else _last_words(folder / "log.txt"))


def _last_words(log: Path) -> str:
    """Find the error of a step that tells no events; kfp indents what steps print, and only that."""
    printed = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.startswith("    ")]
    raised = [line for line in printed if _EXCEPTION.match(line)]
    # What the step itself raised says more than how its container ended.
    raised.sort(key=lambda line: not line.startswith(CONTAINER_ENDED))
    return f"a step failed: {raised[-1] if raised else 'it gave no reason'} (the whole log is in {log})"
