"""Start a run, or join the one that an earlier attempt of the step started."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from databricks.sdk.errors import InvalidParameterValue, NotFound
from databricks.sdk.errors.base import DatabricksError as SdkError

from kfp_azureml.databricks.api_errors import databricks_errors
from kfp_azureml.databricks.identity import Identity
from kfp_azureml.databricks.retries import retrying
from kfp_azureml.databricks.run_cancelling import CANCEL_SECONDS, cancel
from kfp_azureml.databricks.run_reading import read_run
from kfp_azureml.databricks.run_states import is_accepted, is_over, result_state
from kfp_azureml.databricks.run_waiting import LimitError
from kfp_azureml.runtime.cancellation import ended_on_exit
from kfp_azureml.runtime.errors import CancelledError, DatabricksError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import Run

ATTEMPTS = 100


@dataclass(frozen=True)
class Starter:
    """How to start a run.

    Attributes:
        what: The request for messages, such as `submitting run etl`.
        needs: What the identity needs for it.
        start: Starts a run with an idempotency token and returns the run's id.
        latest: Returns the start time of the latest run of this kind in the workspace, in ms; 0 if there is none.
    """

    what: str
    needs: str
    start: Callable[[str], int]
    latest: Callable[[], int]


def start_or_join(client: WorkspaceClient, starter: Starter, identity: Identity, accepted: Iterable[str]) -> Run:
    """Start a run, unless an earlier attempt of the step did and that run did not fail.

    Databricks returns the first run that was started with an idempotency token, also if it failed, so each attempt
    after a failure has a token of its own. A run is one of an earlier attempt if it is not later than the latest run
    before the request, by the clock of Databricks.

    Args:
        client: The workspace's client.
        starter: How to start the run.
        identity: The pipeline's run and task.
        accepted: Results that count as success.

    Returns:
        The run as it is now.

    Raises:
        DatabricksError: If it cannot be started.
    """
    with databricks_errors(starter.what, starter.needs):
        latest = retrying(starter.what, starter.latest) if identity.is_known else -1
    for attempt in range(ATTEMPTS):
        run_id = _start(client, starter, identity.token(attempt))
        if run_id is None:
            continue
        with ended_on_exit(partial(cancel, client, run_id, f"run {run_id} of the workspace"), LimitError):
            run = read_run(client, run_id)
        if not identity.is_known or (run.start_time or 0) > latest:
            return run
        if not is_over(run) or is_accepted(run, accepted):
            progress(f"run {run_id}: started by an earlier attempt of this step: joining it")
            return run
        progress(f"run {run_id}: of an earlier attempt of this step, ended {result_state(run)}: running again")
    raise DatabricksError(f"{starter.what}: {ATTEMPTS} earlier attempts failed: start a new pipeline run")


def _start(client: WorkspaceClient, starter: Starter, token: str) -> int | None:
    """Start a run; return None if the token belongs to a run that was deleted.

    If the step is stopped meanwhile, the request may have started a run: the same request tells its id.
    """
    with databricks_errors(starter.what, starter.needs):
        try:
            return retrying(starter.what, lambda: starter.start(token))
        except CancelledError as stopped:
            run_id = retrying(starter.what, lambda: starter.start(token), CANCEL_SECONDS)
            raise CancelledError(
                f"{stopped}: {cancel(client, run_id, f'run {run_id} of the workspace')}",
                interactive=stopped.interactive,
            ) from None
        except (NotFound, InvalidParameterValue) as error:
            if not _is_deleted_run(error):
                raise
            return None


def _is_deleted_run(error: SdkError) -> bool:
    words = str(error).lower()
    return "token" in words and ("deleted" in words or "does not exist" in words)
