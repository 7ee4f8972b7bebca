"""KFP component databricks_create_secret_scope."""

from typing import NamedTuple

from kfp import dsl

from kfp_azureml.images import AZURE_IMAGE

DISPLAY_NAME = "Create Secret Scope on Databricks"


@dsl.component(base_image=AZURE_IMAGE, install_kfp_package=False)
def databricks_create_secret_scope(
    scope_name: str,
    databricks_host: str = "",
    secrets: dict = {},  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare dict
    acls: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp needs a bare list
    initial_manage_principal: str = "",
) -> NamedTuple("Outputs", [("secretscope_name", str), ("secretscope_backend_type", str)]):  # type: ignore[valid-type]
    """Create a secret scope on Databricks, unless it exists, and set secrets and permissions in it.

    Args:
        scope_name: Name of the scope.
        databricks_host: Workspace URL, https://HOST; empty takes it from DATABRICKS_HOST.
        secrets: Names of the environment variables with the values, by key; never the values, which a Kubernetes secret
            gives the task (kubernetes.use_secret_as_env).
        acls: Permissions, each with principal and permission (READ, WRITE or MANAGE).
        initial_manage_principal: Use users to let all users manage a new scope; empty for its creator only.

    Returns:
        The scope's name and backend type.
    """
    from kfp_azureml.databricks import secret_scopes
    from kfp_azureml.runtime.step import run_step

    with run_step(secret_scopes.CREATE):
        return secret_scopes.create_secret_scope(databricks_host, scope_name, secrets, acls, initial_manage_principal)
