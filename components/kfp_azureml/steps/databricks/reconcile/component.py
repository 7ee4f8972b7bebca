"""KFP component databricks_reconcile."""

from kfp import dsl
from kfp.dsl import Markdown, Output

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Clean Up on Databricks"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_reconcile(summary: Output[Markdown], pipeline_run_id: str, databricks_host: str = "") -> None:
    """Cancel the runs and terminate the clusters that a pipeline run left on Databricks.

    Meant as the exit task of a pipeline, which runs however the pipeline ends.

    Args:
        summary: What was cleaned up.
        pipeline_run_id: Pipeline run; pass dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.
    """
    from pathlib import Path

    from kfp_azureml.azureml.markdown import code
    from kfp_azureml.databricks import clean_up
    from kfp_azureml.runtime.step import run_step

    with run_step(clean_up.NAME):
        done = clean_up.clean_up(databricks_host, pipeline_run_id)
        lines = [f"- {code(line)}" for line in done] or ["Nothing left on Databricks."]
        Path(summary.path).write_text("\n".join(lines) + "\n")
