"""KFP component databricks_delete_workspace_item."""

from kfp import dsl

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Delete Item from Databricks Workspace"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_delete_workspace_item(path: str, databricks_host: str = "", recursive: bool = False) -> bool:
    """Delete a notebook, file or folder from a Databricks workspace.

    Args:
        path: Absolute path.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.
        recursive: Delete a folder with what is in it.

    Returns:
        Whether it existed.
    """
    from kfp_azureml.databricks import workspace_items
    from kfp_azureml.runtime.step import run_step

    with run_step(workspace_items.DELETE):
        return workspace_items.delete_workspace_item(databricks_host, path, recursive)
