"""Repair a failed run: rerun its failed tasks and those that depend on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from databricks.sdk.errors import BadRequest, ResourceConflict
from databricks.sdk.service.jobs import RepairHistoryItemType

from kfp_azureml.databricks.api_errors import databricks_errors
from kfp_azureml.databricks.retries import retrying
from kfp_azureml.databricks.run_reading import read_run
from kfp_azureml.databricks.run_states import is_over
from kfp_azureml.runtime.step import progress

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.jobs import Run


def repairs(run: Run) -> list[int]:
    """Return the ids of a run's repairs, in order."""
    history = run.repair_history or ()
    return [item.id or 0 for item in history if item.type == RepairHistoryItemType.REPAIR]


def repair(client: WorkspaceClient, run: Run, parameters: Mapping[str, Any]) -> Run:
    """Repair a run that has ended; return it as it runs again.

    Args:
        client: The workspace's client.
        run: The run as it ended.
        parameters: The parameters of the run, which a repair does not keep by itself.

    Raises:
        KfpAzuremlError: If Databricks refuses the repair.
    """
    run_id, before = run.run_id or 0, repairs(run)
    what = f"repairing run {run_id}"
    progress(f"{what}: rerunning its failed tasks, repair {len(before) + 1}")
    with databricks_errors(what, "'Can Manage Run' on the job"):
        retrying(what, _request(client, run_id, before, parameters))
    return read_run(client, run_id)


def _request(
    client: WorkspaceClient, run_id: int, before: list[int], parameters: Mapping[str, Any]
) -> Callable[[], None]:
    def request() -> None:
        try:
            client.jobs.repair_run(
                run_id,
                rerun_all_failed_tasks=True,
                latest_repair_id=before[-1] if before else None,
                **parameters,
            )
        except (BadRequest, ResourceConflict):
            # The answer to an earlier request was lost: the run is active again, or has one more repair.
            now = read_run(client, run_id)
            if is_over(now) and len(repairs(now)) == len(before):
                raise

    return request
