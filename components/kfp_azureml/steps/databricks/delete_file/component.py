"""KFP component databricks_delete_file."""

from kfp import dsl

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Delete File from Databricks"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_delete_file(path: str, databricks_host: str = "") -> bool:
    """Delete a file from a Databricks volume or workspace.

    Args:
        path: /Volumes/CATALOG/SCHEMA/VOLUME/FILE, /Workspace/FOLDER/FILE or dbfs:/FILE.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.

    Returns:
        Whether it existed.
    """
    from kfp_azureml.databricks import files
    from kfp_azureml.runtime.step import run_step

    with run_step(files.DELETE):
        return files.delete_file(databricks_host, path)
