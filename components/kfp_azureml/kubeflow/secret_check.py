"""Proof that the values of `azcreds` log in to Azure, before they go into a cluster."""

from __future__ import annotations

from kfp_azureml.kubeflow.secret_values import SecretValues
from kfp_azureml.runtime.errors import CredentialsError

_MANAGEMENT_SCOPE = "https://management.azure.com/.default"


def check_values(values: SecretValues) -> None:
    """Get a token for Azure's management with the values.

    Whether the subscription is the right one shows at the first step of a run: a service principal may well have a
    role on the workspace and none that lets it see the subscription.

    Raises:
        CredentialsError: If they are refused, or what signs in is not installed.
        WorkspaceError: If Azure cannot be reached.
    """
    try:
        from kfp_azureml.azureml.azure_errors import azure_errors
        from kfp_azureml.azureml.credentials import credential

        identity = credential(values.by_key)
    except ModuleNotFoundError as error:
        raise CredentialsError(
            "--check needs the extra azure: pip install 'WHEEL[azure]', with the wheel that `make wheel` makes"
        ) from error
    with azure_errors("signing in", CredentialsError):
        identity.get_token(_MANAGEMENT_SCOPE)
