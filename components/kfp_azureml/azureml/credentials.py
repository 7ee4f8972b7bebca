"""Choose the Azure credentials: service principal, workload identity, or the machine's own."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kfp_azureml.azcreds import KEYS, SECRET_NAME, ServicePrincipal, malformed_reason, service_principal
from kfp_azureml.azureml.renewable_credential import RenewableCredential
from kfp_azureml.azureml.socks_proxy import check_socks_proxy
from kfp_azureml.runtime.errors import CredentialsError
from kfp_azureml.runtime.step import quieten

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

FEDERATED_TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105 - set in the pod by Azure's workload identity webhook
_WORKLOAD_IDENTITY = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID")
_OTHER_IDENTITIES = ("AZURE_CLIENT_ID", "AZURE_TOKEN_CREDENTIALS", "IDENTITY_ENDPOINT", "MSI_ENDPOINT")


def credential(environ: Mapping[str, str] = os.environ) -> TokenCredential:
    """Choose the credential from the environment.

    In this order: the service principal in `azcreds`, workload identity, the environment variables of azure-identity,
    managed identity, a signed-in Azure CLI. It is never interactive.

    In a pod the managed identity of the node is used only if AZURE_CLIENT_ID or AZURE_TOKEN_CREDENTIALS selects it.
    All pods of the node share it, so as a fallback it would turn a missing secret into an error about a missing role.

    Args:
        environ: The environment variables.

    Returns:
        A credential that has not made any request yet.

    Raises:
        CredentialsError: If the service principal is incomplete, or a pod has no credentials.
        WorkspaceError: If the SOCKS proxy in the environment is not supported.
    """
    check_socks_proxy()
    # azure-identity logs a warning for each failure, in addition to our error.
    quieten("azure.identity", logging.ERROR)
    return RenewableCredential(lambda: chosen_credential(environ))


def chosen_credential(environ: Mapping[str, str]) -> TokenCredential:
    """Return the credential of azure-identity; see `credential`."""
    principal = service_principal(environ)
    if principal:
        return _service_principal(principal)
    if environ.get(FEDERATED_TOKEN_FILE):
        return _workload_identity(environ)
    if "KUBERNETES_SERVICE_HOST" in environ and not any(environ.get(name) for name in _OTHER_IDENTITIES):
        raise CredentialsError(
            f"no Azure credentials in this pod: the secret {SECRET_NAME} with {', '.join(KEYS)} is missing in the "
            "run's namespace, and workload identity is not set up "
            "(to use the node's managed identity set AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential)"
        )
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(
        exclude_interactive_browser_credential=True,
        exclude_broker_credential=True,
        exclude_shared_token_cache_credential=True,
        exclude_visual_studio_code_credential=True,
        exclude_powershell_credential=True,
        exclude_developer_cli_credential=True,
    )


def _workload_identity(environ: Mapping[str, str]) -> TokenCredential:
    missing = [name for name in _WORKLOAD_IDENTITY if not environ.get(name)]
    if missing:
        raise CredentialsError(
            f"{', '.join(missing)} missing or empty beside {FEDERATED_TOKEN_FILE}: annotate the pod's service account "
            "with azure.workload.identity/client-id (and tenant-id, if the webhook has no default)"
        )
    for name in _WORKLOAD_IDENTITY:
        if wrong := malformed_reason(environ[name]):
            raise CredentialsError(f"{name} {wrong} in the annotation of the pod's service account")

    from azure.identity import WorkloadIdentityCredential

    tenant, client = (environ[name] for name in _WORKLOAD_IDENTITY)
    return WorkloadIdentityCredential(tenant_id=tenant, client_id=client, token_file_path=environ[FEDERATED_TOKEN_FILE])


def _service_principal(principal: ServicePrincipal) -> TokenCredential:
    from azure.identity import ClientSecretCredential

    try:
        return ClientSecretCredential(principal.tenant_id, principal.client_id, principal.client_secret)
    except ValueError as error:
        raise CredentialsError(
            "AZ_TENANT_ID is not a tenant id: set the environment variable, on Kubeflow in the secret "
            f"{SECRET_NAME} ({error})"
        ) from error
