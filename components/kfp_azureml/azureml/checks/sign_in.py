"""Check the credentials: complete, well-formed, accepted by Azure."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError

from kfp_azureml.azcreds import PRINCIPAL_KEYS, SECRET_NAME, SUBSCRIPTION_KEY, malformed_reason
from kfp_azureml.azureml.arm import HOST, open_resource_manager
from kfp_azureml.azureml.azure_errors import explain
from kfp_azureml.azureml.credentials import FEDERATED_TOKEN_FILE, chosen_credential
from kfp_azureml.azureml.renewable_credential import RenewableCredential
from kfp_azureml.runtime.checks import Outcome, failed, passed
from kfp_azureml.runtime.errors import CredentialsError
from kfp_azureml.runtime.step import quieten

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

_SCOPE = f"{HOST}/.default"
_TIMEOUTS = {"connection_timeout": 5, "read_timeout": 15}
_SET_SECRET = f"kfp-azureml azcreds --check (the secret {SECRET_NAME}), or export {{names}}"
_RESET = 'az ad app credential reset --id "$AZ_CLIENT_ID"'
# By the code in the message of Microsoft Entra.
_MENDS = {
    "7000222": f"{_RESET}, then set AZ_CLIENT_SECRET to the new password",
    "7000215": f"{_RESET}, then set AZ_CLIENT_SECRET to the new password",
    "700016": 'az ad sp show --id "$AZ_CLIENT_ID" (then correct AZ_CLIENT_ID or AZ_TENANT_ID)',
    "90002": "export AZ_TENANT_ID=$(az account show --query tenantId --output tsv)",
    **dict.fromkeys(
        ("70021", "700211", "700212", "700213"),
        "az identity federated-credential create (see docs/aks.md, workload identity)",
    ),
}
_CODE = re.compile(r"AADSTS(\d+)")


def check_credentials(environ: Mapping[str, str]) -> Outcome:
    """Check that the credentials in the environment are complete and well-formed; name all that are not."""
    faults = {key: fault for key in (SUBSCRIPTION_KEY, *PRINCIPAL_KEYS) if (fault := _fault(key, environ))}
    if faults:
        return failed(
            "; ".join(f"{key} {fault}" for key, fault in faults.items()), _SET_SECRET.format(names=" ".join(faults))
        )
    # azure-identity logs a warning for each failure, in addition to our error.
    quieten("azure.identity", logging.ERROR)
    identity = RenewableCredential(lambda: chosen_credential(environ))
    return passed(_kind(environ), identity)


def check_sign_in(identity: TokenCredential, retries: Mapping[str, Any], environ: Mapping[str, str]) -> Outcome:
    """Check that Azure accepts the credentials; the outcome has a client of Azure Resource Manager."""
    try:
        identity.get_token(_SCOPE)
    except AzureError as error:
        explained = str(explain(error, "signing in", CredentialsError))
        said = _CODE.search(str(error.message))
        code = said[1] if said else ("90002" if "tenant does not exist" in explained else "")
        return failed(explained, _MENDS.get(code) or _usual_mend(environ))
    return passed("Azure accepts the credentials", open_resource_manager(identity, retries, **_TIMEOUTS))


def assignee(environ: Mapping[str, str]) -> str:
    """Return the identity for `az role assignment create --assignee`, as a shell expression."""
    if environ.get("AZ_CLIENT_ID"):
        return '"$AZ_CLIENT_ID"'
    return '"$AZURE_CLIENT_ID"' if environ.get("AZURE_CLIENT_ID") else "IDENTITY"


def _fault(key: str, environ: Mapping[str, str]) -> str:
    value = environ.get(key)
    if not value:
        needed = key in PRINCIPAL_KEYS and any(other in environ for other in PRINCIPAL_KEYS)
        return "is missing or empty" if needed else ""
    return malformed_reason(value)


def _kind(environ: Mapping[str, str]) -> str:
    if all(environ.get(key) for key in PRINCIPAL_KEYS):
        return "service principal in AZ_CLIENT_ID"
    if environ.get(FEDERATED_TOKEN_FILE):
        return "workload identity of the pod"
    return "no AZ_CLIENT_ID: the variables of azure-identity, managed identity or az login"


def _usual_mend(environ: Mapping[str, str]) -> str:
    if environ.get("AZ_CLIENT_ID"):
        return "kfp-azureml azcreds --check (after correcting the AZ_* variables)"
    return 'az login (then export AZ_SUBSCRIPTION_ID="$(az account show --query id --output tsv)")'
