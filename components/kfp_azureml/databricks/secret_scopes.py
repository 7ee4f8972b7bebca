"""Secret scopes: create with secrets from environment variables, delete."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from kfp_azureml.runtime.errors import CredentialsError, DatabricksError
from kfp_azureml.runtime.redaction import add_secret
from kfp_azureml.runtime.step import progress

CREATE, DELETE = "databricks_create_secret_scope", "databricks_delete_secret_scope"
BACKEND = "DATABRICKS"

_NEEDS = "'Manage' on the scope"


def create_secret_scope(
    databricks_host: str,
    scope_name: str,
    secrets: Mapping[str, str],
    acls: Iterable[Mapping[str, Any]],
    initial_manage_principal: str,
    environ: Mapping[str, str] = os.environ,
) -> tuple[str, str]:
    """Create a secret scope unless it exists, and put secrets and permissions into it.

    Args:
        databricks_host: The workspace's URL; empty takes it from DATABRICKS_HOST.
        scope_name: The scope.
        secrets: The names of environment variables with the values, by key in the scope.
        acls: Permissions: `principal` and `permission` (READ, WRITE or MANAGE).
        initial_manage_principal: `users` lets all users manage a new scope; empty only its creator.
        environ: The environment variables.

    Returns:
        The scope's name and backend type.

    Raises:
        CredentialsError: If an environment variable is not set, or the credentials are missing or rejected.
        DatabricksError: If a field is invalid.
        WorkspaceError: If the workspace cannot be reached.
    """
    if not scope_name:
        raise DatabricksError("scope_name: missing")
    values = {key: _value(key, variable, environ) for key, variable in secrets.items()}

    from databricks.sdk.errors import ResourceAlreadyExists
    from databricks.sdk.service.workspace import AclItem, ScopeBackendType

    from kfp_azureml.databricks.api_errors import databricks_errors
    from kfp_azureml.databricks.fields import typed_list
    from kfp_azureml.databricks.retries import retrying
    from kfp_azureml.databricks.workspace import workspace_client

    permissions = typed_list(AclItem, acls, "acls")
    client = workspace_client(databricks_host)

    def create() -> None:
        try:
            client.secrets.create_scope(
                scope_name,
                scope_backend_type=ScopeBackendType(BACKEND),
                initial_manage_principal=initial_manage_principal or None,
            )
        except ResourceAlreadyExists:
            progress(f"secret scope {scope_name}: exists")

    what = f"creating secret scope {scope_name}"
    with databricks_errors(what, "Premium pricing, or initial_manage_principal users"):
        retrying(what, create)
    for key, value in values.items():
        what = f"putting secret {key} into scope {scope_name}"
        with databricks_errors(what, _NEEDS):
            retrying(what, partial(client.secrets.put_secret, scope_name, key, string_value=value))
        progress(f"secret scope {scope_name}: secret {key} set")
    for acl in permissions:
        what = f"setting the permission of {acl.principal} on scope {scope_name}"
        with databricks_errors(what, _NEEDS):
            retrying(what, partial(client.secrets.put_acl, scope_name, acl.principal, acl.permission))
    return scope_name, BACKEND


def delete_secret_scope(databricks_host: str, scope_name: str) -> bool:
    """Delete a secret scope with all its secrets; return whether it existed.

    Raises:
        KfpAzuremlError: If it cannot be deleted.
    """
    from kfp_azureml.databricks.deletion import deleted
    from kfp_azureml.databricks.workspace import workspace_client

    client = workspace_client(databricks_host)
    return deleted(f"secret scope {scope_name}", lambda: client.secrets.delete_scope(scope_name), _NEEDS)


def _value(key: str, variable: str, environ: Mapping[str, str]) -> str:
    if not isinstance(variable, str) or not environ.get(variable):
        raise CredentialsError(
            f"secrets.{key}: the environment variable {variable} is not set: secrets has names of environment "
            "variables, which kubernetes.use_secret_as_env sets from a Kubernetes secret"
        )
    add_secret(environ[variable])
    return environ[variable]
