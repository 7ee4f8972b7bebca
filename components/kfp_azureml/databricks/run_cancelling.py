"""Cancel runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kfp_azureml.databricks.retries import FAILURES, retrying
from kfp_azureml.databricks.run_states import is_over
from kfp_azureml.databricks.run_waiting import LimitError
from kfp_azureml.runtime.errors import CancelledError, KfpAzuremlError, first_line
from kfp_azureml.runtime.polling import pauses
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

CANCEL_SECONDS = 60.0
"""How long cancelling is retried and its effect awaited."""


@contextmanager
def cancelled_on_exit(client: WorkspaceClient, run_id: int, url: str) -> Iterator[None]:
    """Cancel a run if the step is stopped or a limit passes in the block.

    Raises:
        CancelledError: As raised in the block, with what became of the run.
        LimitError: Likewise.
    """
    try:
        yield
    except CancelledError as stopped:
        raise CancelledError(f"{stopped}: {cancel(client, run_id, url)}", interactive=stopped.interactive) from None
    except LimitError as late:
        raise LimitError(f"{late}: {cancel(client, run_id, url)}") from None


def cancel(client: WorkspaceClient, run_id: int, url: str) -> str:
    """Cancel a run and wait a little for its end; return what became of it, in words. It raises nothing."""
    what = f"cancelling run {run_id}"
    progress(what)
    try:
        retrying(what, lambda: client.jobs.cancel_run(run_id), CANCEL_SECONDS)
        until = time.monotonic() + CANCEL_SECONDS
        pause = pauses()
        while time.monotonic() < until:
            if is_over(retrying(f"reading run {run_id}", lambda: client.jobs.get_run(run_id), CANCEL_SECONDS)):
                return f"run {run_id} cancelled, {url}"
            time.sleep(next(pause))
    except (*FAILURES, KfpAzuremlError) as error:
        return f"run {run_id} could not be cancelled ({first_line(error)}), cancel it at {url}"
    return f"run {run_id} is being cancelled, {url}"
