"""Delete runs."""

from __future__ import annotations

DELETE = "databricks_delete_run"


def delete_run(databricks_host: str, run_id: str) -> bool:
    """Delete a run's record; return whether it existed. A run that is active is refused by Databricks.

    Raises:
        DatabricksError: If the id is not a number.
        KfpAzuremlError: If it cannot be deleted.
    """
    from kfp_azureml.databricks.deletion import deleted
    from kfp_azureml.databricks.fields import number
    from kfp_azureml.databricks.workspace import workspace_client

    number_of_run = number(run_id, "run_id")
    client = workspace_client(databricks_host)
    return deleted(f"run {run_id}", lambda: client.jobs.delete_run(number_of_run), "'Can Manage Run' on the job")
