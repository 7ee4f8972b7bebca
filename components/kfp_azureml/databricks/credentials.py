"""Sign in to Databricks: a personal access token, or the suite's Azure identity."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from databricks.sdk.credentials_provider import CredentialsStrategy

from kfp_azureml.azcreds import malformed_reason
from kfp_azureml.databricks_secret import ENTRA_SCOPE, RESOURCE_ID_KEY, SECRET_NAME, TOKEN_KEY
from kfp_azureml.runtime.errors import CredentialsError
from kfp_azureml.runtime.redaction import add_secret

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def strategy(*, is_azure: bool, environ: Mapping[str, str] = os.environ) -> CredentialsStrategy:
    """Choose how to sign in: DATABRICKS_TOKEN if it is set, else the Azure identity of the other steps.

    Never the SDK's own default chain, which tries command-line tools and a browser.

    Args:
        is_azure: Whether the host is one of Azure Databricks, the only ones that get tokens of Microsoft Entra.
        environ: The environment variables.

    Raises:
        CredentialsError: If there are no credentials, or they are malformed.
    """
    if token := environ.get(TOKEN_KEY):
        if wrong := malformed_reason(token):
            raise CredentialsError(f"{TOKEN_KEY} {wrong} in the environment variable, on Kubeflow in {SECRET_NAME}")
        add_secret(token)
        return _AccessToken(token)
    if not is_azure:
        raise CredentialsError(
            f"no credentials for this host, which is not one of Azure Databricks: set {TOKEN_KEY}, on Kubeflow in the "
            f"secret {SECRET_NAME}"
        )
    from kfp_azureml.azureml.credentials import credential

    return _AzureIdentity(credential(environ), environ.get(RESOURCE_ID_KEY, ""))


class _AccessToken(CredentialsStrategy):
    def __init__(self, token: str) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}

    def auth_type(self) -> str:
        return "pat"

    def __call__(self, cfg: Any) -> Callable[[], dict[str, str]]:  # noqa: ARG002
        return lambda: self._headers


class _AzureIdentity(CredentialsStrategy):
    """Sends a token of Microsoft Entra, which azure-identity caches and renews.

    A principal that is not a user of the workspace but a Contributor on its Azure resource gets in with a second token,
    for Azure's management API, and the resource's id.
    """

    def __init__(self, credential: TokenCredential, resource_id: str) -> None:
        self._credential = credential
        self._resource_id = resource_id

    def auth_type(self) -> str:
        return "azure-identity"

    def __call__(self, cfg: Any) -> Callable[[], dict[str, str]]:
        management = f"{cfg.arm_environment.service_management_endpoint}/.default"

        def headers() -> dict[str, str]:
            found = {"Authorization": f"Bearer {self._credential.get_token(ENTRA_SCOPE).token}"}
            if self._resource_id:
                found["X-Databricks-Azure-Workspace-Resource-Id"] = self._resource_id
                found["X-Databricks-Azure-SP-Management-Token"] = self._credential.get_token(management).token
            return found

        return headers
