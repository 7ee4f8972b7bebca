"""Following a pipeline job until it ends: its steps' states as they change, and why it failed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kfp_azureml.azureml.failures import azure_errors
from kfp_azureml.azureml.workspace import quiet_sdk, studio_url
from kfp_azureml.errors import CancelledError, PipelineError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.exceptions import AzureError

# The first answers come soon after the start; a step of minutes needs no closer look than the second figure.
FIRST_POLL_SECONDS = 0.5
POLL_SECONDS = 5.0
OUTAGE_SECONDS = 600.0
"""How long Azure may be out of reach before we stop asking; the job itself goes on without us."""

ENDED = ("Completed", "Failed", "Canceled", "NotResponding", "Paused")
_PASSING = (408, 429, 500, 502, 503, 504)
_LOG = "std_log.txt"


def stream_job(client: MLClient, name: str, say: Callable[[str], None] = click.echo) -> None:
    """Follow a job to its end.

    Args:
        client: A client of the workspace.
        name: The job.
        say: Prints a line.

    Raises:
        PipelineError: If there is no such job, or it fails or is cancelled; the error of the step that failed is in it.
        CancelledError: If the user stops this command; the job goes on.
    """
    started = time.monotonic()
    link = studio_url(client, f"runs/{name}")
    try:
        _Follower(client, name, say).follow()
    except CancelledError as cancelled:
        raise CancelledError(
            f"{cancelled}; the job goes on; to end it: kfp-azureml aml cancel {name}, or Cancel on its page: {link}"
        ) from None
    except PipelineError as error:
        raise PipelineError(f"{error}: {link}") from error
    say(f"Succeeded in {time.monotonic() - started:.0f} s")


def cancel_job(client: MLClient, name: str) -> None:
    """Cancel a job, and wait until it has ended.

    Raises:
        PipelineError: If there is no such job, or it cannot be cancelled.
    """
    with azure_errors(f"cancelling job {name}", PipelineError), quiet_sdk():
        client.jobs.begin_cancel(name).wait()


@dataclass
class _Follower:
    client: MLClient
    name: str
    say: Callable[[str], None]
    _shown: dict[str, str] = field(default_factory=dict)
    _began: dict[str, float] = field(default_factory=dict)

    def follow(self) -> None:
        pause = FIRST_POLL_SECONDS
        while True:
            job, steps = self._ask()
            for step in steps:
                self._show(step)
            if job.status in ENDED:
                break
            time.sleep(pause)
            pause = min(POLL_SECONDS, pause * 1.5)
        if job.status != "Completed":
            raise PipelineError(f"job {self.name} {_word(job.status)}{self._why(steps)}")

    def _ask(self) -> tuple[Any, list[Any]]:
        """Ask for the job and its steps, again for a while if Azure cannot be reached."""
        from azure.core.exceptions import AzureError

        away_since = None
        pause = FIRST_POLL_SECONDS
        while True:
            try:
                with quiet_sdk():
                    return self.client.jobs.get(self.name), list(self.client.jobs.list(parent_job_name=self.name))
            except AzureError as error:
                now = time.monotonic()
                away_since = away_since or now
                if not _is_passing(error) or now - away_since >= OUTAGE_SECONDS:
                    with azure_errors(f"asking for job {self.name}", PipelineError):
                        raise
                if pause == FIRST_POLL_SECONDS:
                    self.say(f"Azure does not answer ({type(error).__name__}); asking again for {OUTAGE_SECONDS:g} s")
                time.sleep(pause)
                pause = min(POLL_SECONDS, pause * 1.5)

    def _show(self, step: Any) -> None:
        label, state = str(step.display_name), _word(step.status)
        if self._shown.get(label) == state:
            return
        self._shown[label] = state
        began = self._began.setdefault(label, time.monotonic())
        seconds = f"{time.monotonic() - began:8.1f} s" if step.status in ENDED else ""
        self.say(f"  {label:20} {state:12} {seconds}".rstrip())

    def _why(self, steps: list[Any]) -> str:
        failed = next((step for step in steps if step.status == "Failed"), None)
        if failed is None:
            return ""
        last = last_log_line(self.client, failed.name)
        return f": {failed.display_name} failed{f': {last}' if last else ''}"


def last_log_line(client: MLClient, name: str) -> str:
    """Return the last line that a step wrote to its log: its own error, where it failed; nothing if there is no log."""
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import AzureError

    with tempfile.TemporaryDirectory(prefix="kfp-azureml-") as folder:
        try:
            with quiet_sdk():
                client.jobs.download(name, download_path=folder)
        except (AzureError, MlException):
            return ""
        for log in Path(folder).rglob(_LOG):
            lines = log.read_text(errors="replace").strip().splitlines()
            return lines[-1] if lines else ""
    return ""


def _is_passing(error: AzureError) -> bool:
    from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

    if isinstance(error, (ServiceRequestError, ServiceResponseError)):
        return True
    return isinstance(error, HttpResponseError) and error.status_code in _PASSING


def _word(status: str) -> str:
    """Return a state as people say it: `NotStarted` as `not started`, `Completed` as `succeeded`."""
    if status == "Completed":
        return "succeeded"
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in status).strip()
