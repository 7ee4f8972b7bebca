"""Run something on Databricks to its end: start or join, wait, repair, read the outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kfp_azureml.databricks.identity import Identity
from kfp_azureml.databricks.run_cancelling import cancel
from kfp_azureml.databricks.run_outcome import Outcome, check_outcome, read_outcome
from kfp_azureml.databricks.run_repair import repair, repairs
from kfp_azureml.databricks.run_start import Starter, start_or_join
from kfp_azureml.databricks.run_states import SUCCESS, is_accepted
from kfp_azureml.databricks.run_waiting import LimitError, Limits, wait_for_end
from kfp_azureml.runtime.cancellation import ended_on_exit
from kfp_azureml.runtime.errors import DatabricksError
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import Run

RESULTS = (
    *("SUCCESS", "SUCCESS_WITH_FAILURES", "FAILED", "TIMEDOUT", "CANCELED", "SKIPPED", "EXCLUDED", "DISABLED"),
    *("MAXIMUM_CONCURRENT_RUNS_REACHED", "UPSTREAM_FAILED", "UPSTREAM_CANCELED", "INTERNAL_ERROR"),
)
"""Results of a run."""

Started = Callable[[str, str], None]
"""Called with a run's id and URL as soon as it is started."""


@dataclass(frozen=True)
class Following:
    """How a step follows its run.

    Attributes:
        limits: Limits for waiting and running.
        accepted: Results that count as success.
        max_repairs: Number of repairs before the step fails.
        repair_parameters: The run's parameters, for its repairs.
    """

    limits: Limits
    accepted: tuple[str, ...] = (SUCCESS,)
    max_repairs: int = 0
    repair_parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = [result for result in self.accepted if result not in RESULTS]
        if unknown or not self.accepted:
            raise DatabricksError(
                f"accepted_results: {', '.join(map(str, unknown)) or 'empty'}: use some of {', '.join(RESULTS)}"
            )
        if self.max_repairs < 0:
            raise DatabricksError(f"max_repairs {self.max_repairs}: has to be 0 or more")


def run_to_end(
    client: WorkspaceClient, starter: Starter, identity: Identity, following: Following, started: Started
) -> Outcome:
    """Start a run, or join the one that an earlier attempt of the step started, and wait for its end.

    Args:
        client: The workspace's client.
        starter: How to start the run.
        identity: The pipeline's run and task.
        following: Limits, accepted results and repairs.
        started: Receives the run's id and URL before it is waited for.

    Returns:
        What the run did.

    Raises:
        DatabricksError: If its result is not accepted, or a limit passed; it is then cancelled.
        CancelledError: If the step is stopped. The run is cancelled, or the message says how to.
    """
    # A failed run of an earlier attempt is repaired rather than run again.
    joined = (*following.accepted, "FAILED", "TIMEDOUT", "CANCELED") if following.max_repairs else following.accepted
    run = start_or_join(client, starter, identity, joined)
    run_id, url = run.run_id or 0, run.run_page_url or ""
    progress(f"run {run.run_id}: {url}")
    with ended_on_exit(lambda: cancel(client, run_id, url), LimitError):
        started(str(run.run_id), url)
        run = wait_for_end(client, run, following.limits)
        while _can_repair(run, following):
            read_outcome(client, run)  # logs the errors
            run = wait_for_end(client, repair(client, run, following.repair_parameters), following.limits)
    outcome = read_outcome(client, run)
    check_outcome(outcome, run, following.accepted)
    return outcome


def _can_repair(run: Run, following: Following) -> bool:
    return not is_accepted(run, following.accepted) and len(repairs(run)) < following.max_repairs
