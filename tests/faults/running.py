"""Run a step in this process as its container would, with short waits between retries."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click
import pytest
from azure.core.pipeline.transport import HttpTransport

from kfp_azureml.azureml import retries, waiting
from kfp_azureml.azureml.rollout import go_live, probe, soak, traffic_shift
from kfp_azureml.azureml.rollout.strategy import Strategy
from kfp_azureml.databricks import clusters, run_cancelling, run_reading, run_waiting
from kfp_azureml.databricks import retries as databricks_retries
from kfp_azureml.runtime import step

LONGEST_PAUSE_SECONDS = 0.02


@dataclass(frozen=True)
class Outcome:
    """Result of a step.

    Attributes:
        exit_code: Exit code.
        printed: Its stderr.
        logged: Its log records at every enabled level.
    """

    exit_code: int
    printed: str
    logged: str

    @property
    def succeeded(self) -> bool:
        """Whether it succeeded."""
        return self.exit_code == 0

    @property
    def error(self) -> str:
        """Its last line, the error."""
        return self.printed.strip().splitlines()[-1] if self.printed.strip() else ""


def shorten_waits(patch: pytest.MonkeyPatch) -> None:
    """Shorten all waits between retries and polls, the SDK's and ours."""
    patch.setattr(HttpTransport, "sleep", lambda _self, seconds: time.sleep(min(seconds, LONGEST_PAUSE_SECONDS)))
    patch.setattr(waiting, "SETTLE_SECONDS", LONGEST_PAUSE_SECONDS)
    patch.setattr(waiting, "pauses", lambda: itertools.repeat(LONGEST_PAUSE_SECONDS))
    patch.setattr(waiting, "SHOW_SECONDS", 2.0)
    patch.setattr(retries, "LONGEST_PAUSE_SECONDS", LONGEST_PAUSE_SECONDS)
    patch.setattr(databricks_retries, "LONGEST_PAUSE_SECONDS", LONGEST_PAUSE_SECONDS)
    patch.setattr(databricks_retries, "REQUEST_SECONDS", 3.0)
    patch.setattr(run_reading, "OUTAGE_SECONDS", 3.0)
    patch.setattr(run_cancelling, "CANCEL_SECONDS", 3.0)
    for module in (run_waiting, clusters, run_cancelling):
        patch.setattr(module, "pauses", lambda _longest=None: itertools.repeat(LONGEST_PAUSE_SECONDS))
    patch.setattr(probe, "PAUSE_SECONDS", LONGEST_PAUSE_SECONDS)
    patch.setattr(probe, "GRACE_SECONDS", 2.0)
    patch.setattr(soak, "PAUSE_SECONDS", 0.05)
    # A soak time of one second, the shortest there is, lasts three pauses.
    patch.setattr(Strategy, "step_seconds", property(lambda one: 0.15 if one.soak_seconds == 1 else one.soak_seconds))
    patch.setattr(traffic_shift, "ROLLBACK_SECONDS", 3.0)
    patch.setattr(go_live, "CLEANUP_SECONDS", 3.0)
    # A step's process leaves its garbage to its end, connections among it; this one goes on.
    patch.setattr(step, "relaxed_gc", contextlib.nullcontext)


def run(command: click.Command, arguments: Sequence[str]) -> Outcome:
    """Run a step's command to its end."""
    printed, logged = io.StringIO(), io.StringIO()
    with _logging_to(logged), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(printed):
        exit_code = _exit_code(command, arguments)
    return Outcome(exit_code, printed.getvalue(), logged.getvalue())


def _exit_code(command: click.Command, arguments: Sequence[str]) -> int:
    try:
        command.main(list(arguments), standalone_mode=False)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0


@contextlib.contextmanager
def _logging_to(stream: io.StringIO) -> Iterator[None]:
    root: Any = logging.getLogger()
    handler = logging.StreamHandler(stream)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
