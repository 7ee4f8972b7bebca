"""KFP component databricks_delete_job."""

from kfp import dsl

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Delete Job from Databricks"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_delete_job(job_id: str = "", job_name: str = "", databricks_host: str = "") -> bool:
    """Delete a job from Databricks.

    Args:
        job_id: Job; empty with job_name.
        job_name: Name of the job; empty with job_id.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.

    Returns:
        Whether it existed.
    """
    from kfp_azureml.databricks import jobs
    from kfp_azureml.runtime.step import run_step

    with run_step(jobs.DELETE):
        return jobs.delete_job(databricks_host, job_id, job_name)
