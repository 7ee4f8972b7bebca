"""Check that the values of `azcreds` can sign in to Azure."""

from __future__ import annotations

from kfp_azureml.kubeflow.secret_values import SecretValues
from kfp_azureml.runtime.errors import CredentialsError

_MANAGEMENT_SCOPE = "https://management.azure.com/.default"


def check_values(values: SecretValues) -> None:
    """Request a token of Azure Resource Manager with the values.

    The subscription is not checked, since a service principal may have a role on the workspace only.

    Raises:
        CredentialsError: If they are rejected, or azure-identity is not installed.
        WorkspaceError: If Azure cannot be reached.
    """
    try:
        from kfp_azureml.azureml.azure_errors import azure_errors
        from kfp_azureml.azureml.credentials import credential

        identity = credential(values.by_key)
    except ModuleNotFoundError as error:
        raise CredentialsError(
            "--check requires the extra azure: pip install 'kfp-azureml[azure]' (or the wheel of `make wheel`)"
        ) from error
    with azure_errors("signing in", CredentialsError):
        identity.get_token(_MANAGEMENT_SCOPE)
