"""KFP component databricks_delete_secret_scope."""

from kfp import dsl

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Delete Secret Scope from Databricks"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_delete_secret_scope(scope_name: str, databricks_host: str = "") -> bool:
    """Delete a secret scope with all its secrets from Databricks.

    Args:
        scope_name: Name of the scope.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.

    Returns:
        Whether it existed.
    """
    from kfp_azureml.databricks import secret_scopes
    from kfp_azureml.runtime.step import run_step

    with run_step(secret_scopes.DELETE):
        return secret_scopes.delete_secret_scope(databricks_host, scope_name)
