"""Azure's failures in words: what is wrong, where, what to do.

The class of error and the advice follow from the service's error code or HTTP status, never from its wording; the
wording is only passed on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ODataV4Format,
)

from kfp_azureml.azcreds import PRINCIPAL_KEYS, SECRET_NAME, SUBSCRIPTION_KEY
from kfp_azureml.azureml.retries import lost_connection
from kfp_azureml.errors import CredentialsError, DeploymentError, KfpAzuremlError, WorkspaceError

_LONGEST_DETAIL = 400  # characters of the service's own message that are passed on


@dataclass(frozen=True)
class Remedy:
    """What a failure is to us, and what a person can do about it."""

    error: type[KfpAzuremlError] | None
    advice: str


_NO_ROLE = Remedy(
    CredentialsError,
    "the identity may not do this: give it the role 'AzureML Data Scientist' on the workspace "
    "(a new assignment takes some minutes to work)",
)
_REFUSED = Remedy(
    CredentialsError,
    f"Azure refused the credentials: check {', '.join(PRINCIPAL_KEYS)} in {SECRET_NAME}",
)
_EXPIRED_SECRET = Remedy(
    CredentialsError,
    "the client secret has expired: make a new one (az ad app credential reset --id CLIENT_ID) and put it into "
    f"{SECRET_NAME} (kfp-azureml azcreds --check)",
)
_NO_FEDERATION = Remedy(
    CredentialsError,
    "the identity does not trust the pod's service account: give it a federated credential with the cluster's issuer "
    "and the subject system:serviceaccount:NAMESPACE:NAME (a new one takes some minutes to work)",
)
_OUTDATED_TOKEN = Remedy(
    CredentialsError, "the access token ran out under way: run the step again, it goes on where it was"
)
_NO_QUOTA = Remedy(
    DeploymentError, "the quota is used up: ask for more, or choose a smaller instance_type or instance_count"
)

# Error codes of Azure Resource Manager and Azure Machine Learning.
_BY_CODE = {
    "AuthorizationFailed": _NO_ROLE,
    "LinkedAuthorizationFailed": _NO_ROLE,
    "AuthorizationPermissionMismatch": Remedy(
        CredentialsError,
        "the identity may not use the workspace's storage: give it the role 'Storage Blob Data Contributor'",
    ),
    "InvalidSubscriptionId": Remedy(WorkspaceError, f"check {SUBSCRIPTION_KEY} or subscription_id"),
    "SubscriptionNotFound": Remedy(WorkspaceError, f"check {SUBSCRIPTION_KEY} or subscription_id"),
    "ResourceGroupNotFound": Remedy(WorkspaceError, f"check resource_group, and {SUBSCRIPTION_KEY} or subscription_id"),
    "MissingSubscriptionRegistration": Remedy(
        WorkspaceError,
        "the subscription does not know Azure Machine Learning yet: "
        "az provider register --namespace Microsoft.MachineLearningServices",
    ),
    "ExpiredAuthenticationToken": _OUTDATED_TOKEN,
    "OutOfQuota": _NO_QUOTA,
    "QuotaExceeded": _NO_QUOTA,
    "OutOfCapacity": Remedy(
        DeploymentError, "Azure has no such machines free here: try another instance_type, or later"
    ),
    "ImageBuildFailure": Remedy(DeploymentError, "the environment could not be built: check its packages and versions"),
    "ResourceNotReady": Remedy(DeploymentError, "the container did not become ready: its own log says why"),
}
_BY_STATUS = {
    401: _REFUSED,
    403: _NO_ROLE,
    404: Remedy(None, "it does not exist"),
    409: Remedy(None, "it conflicts with what is there, or another operation is still running"),
    429: Remedy(None, "Azure is throttling this identity: try again later"),
}
_NO_ANSWER_OF_AZURE = Remedy(
    WorkspaceError, "the answer was cut off or is not Azure's, such as a proxy's own page: check network and proxy"
)

# Error codes of Microsoft Entra: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_BY_SIGN_IN_CODE = {
    "7000222": _EXPIRED_SECRET,
    "7000215": Remedy(
        CredentialsError,
        f"AZ_CLIENT_SECRET in {SECRET_NAME} is not the secret of the application; its value is needed, not its id",
    ),
    "700016": Remedy(
        CredentialsError,
        "there is no such application in the tenant: check AZ_CLIENT_ID and AZ_TENANT_ID in "
        f"{SECRET_NAME}, or the client id that the pod's service account is annotated with",
    ),
    "90002": Remedy(
        CredentialsError,
        f"there is no such tenant: check AZ_TENANT_ID in {SECRET_NAME}, or the tenant of the pod's service account",
    ),
    **dict.fromkeys(("70021", "700211", "700212", "700213"), _NO_FEDERATION),
}
# The identity library keeps the answer's list of codes to itself; what it passes on begins with the same code.
_SIGN_IN_CODE = re.compile(r"\bAADSTS(\d+)\b")


@contextmanager
def azure_errors(doing: str, otherwise: type[KfpAzuremlError] = WorkspaceError) -> Iterator[None]:
    """Turn what the Azure SDK raises inside the block into one of our errors.

    Args:
        doing: What was being done and to what, such as `creating endpoint fashion`.
        otherwise: The class of error where neither code nor status says which.

    Raises:
        KfpAzuremlError: In place of any AzureError.
    """
    try:
        yield
    except AzureError as error:
        raise explain(error, doing, otherwise) from error


def explain(error: AzureError, doing: str, otherwise: type[KfpAzuremlError] = WorkspaceError) -> KfpAzuremlError:
    """Put a failure into one line; see `azure_errors`."""
    lost = lost_connection(error)
    if lost is not None:
        return WorkspaceError(f"{doing}: Azure cannot be reached: check network and proxy ({_one_line(lost)})")
    remedy = _remedy(error)
    detail = f"({_one_line(error)})"
    if remedy is None:
        return otherwise(f"{doing}: {detail[1:-1]}")
    return (remedy.error or otherwise)(f"{doing}: {remedy.advice} {detail}")


def error_codes(error: HttpResponseError) -> list[str]:
    """Return the service's error codes, the outermost first; those of failed operations sit in the details."""
    if error.error:
        return _codes(error.error)
    code = getattr(error, "error_code", None)  # where the storage's client keeps it, as an enum
    return [str(getattr(code, "value", code))] if code else []


def _codes(error: ODataV4Format) -> list[str]:
    return [code for code in [error.code] if code] + [code for detail in error.details for code in _codes(detail)]


def _remedy(error: AzureError) -> Remedy | None:
    if isinstance(error, ClientAuthenticationError):
        code = _SIGN_IN_CODE.search(str(error.message))
        # With an answer and no such code it is Azure Resource Manager that refuses the token.
        if code or error.response is None:
            return _BY_SIGN_IN_CODE.get(code[1], _REFUSED) if code else _REFUSED
    if not isinstance(error, HttpResponseError):
        return None
    known = [_BY_CODE[code] for code in reversed(error_codes(error)) if code in _BY_CODE]
    if known:
        return known[0]
    if isinstance(error, DecodeError):
        return _NO_ANSWER_OF_AZURE
    if error.error is None and error.status_code is not None and error.status_code < 300:
        return Remedy(None, "the operation was cancelled in Azure")
    return _BY_STATUS.get(error.status_code or 0)


def _one_line(error: BaseException) -> str:
    if isinstance(error, HttpResponseError) and error.error:
        text = f"{'/'.join(error_codes(error))}: {_innermost(error.error).message}"
    else:
        text = error.message if isinstance(error, AzureError) else str(error)
    words = " ".join(str(text).split())
    return words if len(words) <= _LONGEST_DETAIL else f"{words[:_LONGEST_DETAIL]} ..."


def _innermost(error: ODataV4Format) -> ODataV4Format:
    return _innermost(error.details[0]) if error.details else error
