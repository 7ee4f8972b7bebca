"""KFP component databricks_delete_run."""

from kfp import dsl

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Delete Run from Databricks"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_delete_run(run_id: str, databricks_host: str = "") -> bool:
    """Delete the record of a run that has ended from Databricks.

    Args:
        run_id: Run.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.

    Returns:
        Whether it existed.
    """
    from kfp_azureml.databricks import runs
    from kfp_azureml.runtime.step import run_step

    with run_step(runs.DELETE):
        return runs.delete_run(databricks_host, run_id)
