"""Cancel runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kfp_azureml.databricks.retries import FAILURES, retrying
from kfp_azureml.databricks.run_states import is_over
from kfp_azureml.runtime.errors import KfpAzuremlError, first_line
from kfp_azureml.runtime.polling import pauses
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

CANCEL_SECONDS = 60.0
"""How long cancelling is retried and its effect awaited."""


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
