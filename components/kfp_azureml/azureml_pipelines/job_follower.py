"""Follow a pipeline job until it ends, print the states of its steps, and report why it failed."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.azureml.names import RESOURCE, check_name
from kfp_azureml.azureml.renewable_credential import forget_tokens
from kfp_azureml.azureml.workspace import quiet_sdk, studio_url
from kfp_azureml.azureml_pipelines.parameter_outputs import values_of
from kfp_azureml.azureml_pipelines.sdk_error_messages import sdk_errors
from kfp_azureml.runtime import terminal
from kfp_azureml.runtime.errors import CancelledError, KfpAzuremlError, PipelineError
from kfp_azureml.runtime.polling import pauses
from kfp_azureml.runtime.step_line import name_width, step_line
from kfp_azureml.runtime.terminal import short

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

OUTAGE_SECONDS = 600.0
"""How long Azure may be unavailable, in seconds, before following ends; the job continues."""

ENDED = ("Completed", "Failed", "Canceled", "NotResponding", "Paused")
_WAITING = ("NotStarted", "Queued")
# A step whose environment could not be built has only the second.
_LOGS = ("std_log.txt", "20_image_build_log.txt")
_LONGEST = 80  # maximum length of a step's output values, in characters


def stream_job(client: MLClient, name: str, say: Callable[[str], None] = terminal.say) -> None:
    """Follow a job until it ends.

    Args:
        client: A client of the workspace.
        name: The job.
        say: Prints a line.

    Raises:
        PipelineError: If the job does not exist, is cancelled, or, with the step's own error, if it fails.
        WorkspaceError: If Azure stays unavailable; the job continues.
        CancelledError: If the user stops this command; the job continues.
    """
    check_name(RESOURCE, name, "job")
    started = time.monotonic()
    link = studio_url(client, f"runs/{name}")
    try:
        had_ended = _JobFollower(client, name, say).follow()
    except CancelledError as cancelled:
        raise CancelledError(
            f"{cancelled}; the job continues; to end it: kfp-azureml aml cancel {name}, or Cancel on its page: {link}"
        ) from None
    except KfpAzuremlError as error:
        raise type(error)(f"{error}: {link}") from error
    seconds = _job_seconds(client, name)
    if had_ended:
        say("The job had already succeeded" + ("" if seconds is None else f", in {seconds:.0f} s"))
    else:
        say(f"Succeeded in {time.monotonic() - started if seconds is None else seconds:.0f} s")


def cancel_job(client: MLClient, name: str) -> str:
    """Cancel a job, wait until it has ended and return its status.

    Raises:
        PipelineError: If the job does not exist or cannot be cancelled.
    """
    check_name(RESOURCE, name, "job")
    with sdk_errors(f"cancelling job {name}"):
        client.jobs.begin_cancel(name).wait()
        return str(client.jobs.get(name).status)


@dataclass
class _JobFollower:
    client: MLClient
    name: str
    say: Callable[[str], None]
    _shown: dict[str, str] = field(default_factory=dict)
    _began: dict[str, float] = field(default_factory=dict)

    def follow(self) -> bool:
        """Follow the job until it ends; return whether it had ended before."""
        pause = pauses()
        had_ended = True
        while True:
            job, steps = self._ask()
            width = name_width(self._steps_of(job))
            for step in steps:
                self._show(step, width)
            if job.status in ENDED:
                break
            had_ended = False
            time.sleep(next(pause))
        for name in sorted(self._steps_of(job) - self._shown.keys()):
            self.say(step_line(name, "skipped", width=width))
        if job.status != "Completed":
            raise PipelineError(f"job {self.name} {format_state(job.status)}{self._why(steps)}")
        return had_ended

    def _ask(self) -> tuple[Any, list[Any]]:
        """Read the job and its steps, retrying while Azure is unavailable."""
        from azure.core.exceptions import AzureError

        from kfp_azureml.azureml.retries import TRIES, is_refused_token, is_transient

        away_since = None
        refused = 0
        pause = pauses()
        while True:
            try:
                with quiet_sdk():
                    return self.client.jobs.get(self.name), list(self.client.jobs.list(parent_job_name=self.name))
            except AzureError as error:
                if is_refused_token(error) and refused < TRIES:  # each of the SDK's clients may cache one
                    refused += 1
                    forget_tokens()
                    continue
                now = time.monotonic()
                if not is_transient(error) or now - (away_since or now) >= OUTAGE_SECONDS:
                    with sdk_errors(f"reading job {self.name}"):
                        raise
                if away_since is None:
                    self.say(f"Azure is unavailable ({type(error).__name__}); retrying for {OUTAGE_SECONDS:g} s")
                    away_since = now
                time.sleep(next(pause))

    def _show(self, step: Any, width: int) -> None:
        label, state = str(step.display_name), format_state(step.status)
        if self._shown.get(label) == state or step.status in _WAITING:
            return
        self._shown[label] = state
        seconds = None
        if step.status not in ENDED:
            self._began.setdefault(label, time.monotonic())
        elif label in self._began:  # else it started and ended between two polls
            seconds = time.monotonic() - self._began[label]
        self.say(step_line(label, state, seconds, _returned(step), width=width))

    def _steps_of(self, job: Any) -> set[str]:
        """Return a job's steps, without its if_else nodes, which have no run."""
        return {name for name, node in getattr(job, "jobs", {}).items() if node.type != "if_else"}

    def _why(self, steps: list[Any]) -> str:
        failed = next((step for step in steps if step.status == "Failed"), None)
        if failed is None:
            return ""
        last = last_log_line(self.client, failed.name)
        if last.startswith(f"{failed.display_name}: "):  # the format of our steps' errors
            return f": {last}"
        return f": {failed.display_name} failed{f': {last}' if last else ''}"


def _job_seconds(client: MLClient, name: str) -> float | None:
    """Return how long an ended job took, by Azure's clock; None if that cannot be read."""
    from azure.core.exceptions import AzureError

    try:
        with quiet_sdk():
            # Only the run history has it, for which the SDK has no public client.
            run: Any = client.jobs._runs_operations.get_run_details(name)
        return float((run.end_time_utc - run.start_time_utc).total_seconds())
    except (AzureError, AttributeError, TypeError):
        return None


def last_log_line(client: MLClient, name: str) -> str:
    """Return the last line of a step's log, which is its error if it failed; empty if there is none."""
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import AzureError

    with tempfile.TemporaryDirectory(prefix="kfp-azureml-") as folder:
        try:
            with quiet_sdk():
                client.jobs.download(name, download_path=folder)
        except (AzureError, MlException):
            return ""
        for log in (found for name in _LOGS for found in Path(folder).rglob(name)):
            lines = log.read_text(errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
    return ""


def _returned(step: Any) -> str:
    """Return a step's output values on one line, without objects.

    KFP's name for a single value, `Output`, is omitted.
    """
    values = {name: value for name, value in values_of(step).items() if not re.match(r"\{|$", str(value))}
    text = ", ".join(str(value) if name == "Output" else f"{name} {value}" for name, value in values.items())
    return short(text, _LONGEST)


def format_state(status: object) -> str:
    """Return a job's state in words: `not started` for `NotStarted`, `succeeded` for `Completed`."""
    name = str(getattr(status, "value", status))
    if name == "Completed":
        return "succeeded"
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
