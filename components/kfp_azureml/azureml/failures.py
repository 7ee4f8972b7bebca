"""Turn Azure errors into messages: what is wrong, where, what to do.

The class of error and the advice follow from the service's error code, the HTTP status, or, where the service wraps
another one's error into a code that says nothing, from the phrase that names the problem.
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
    ResourceExistsError,
)

from kfp_azureml.azcreds import PRINCIPAL_KEYS, SECRET_NAME, SUBSCRIPTION_KEY
from kfp_azureml.azureml.retries import lost_connection
from kfp_azureml.azureml.service_error import ServiceError, read_service_error
from kfp_azureml.runtime.errors import CredentialsError, DeploymentError, KfpAzuremlError, ModelError, WorkspaceError

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
_NO_CAPACITY = Remedy(DeploymentError, "Azure has no such machines free here: try another instance_type, or later")
_ENDPOINT_QUOTA = Remedy(
    DeploymentError,
    "the subscription has as many endpoints in this region as it may: delete unused ones, or ask for a higher limit",
)
_NO_SUCH_MACHINES = Remedy(DeploymentError, "these machines cannot be had here: choose another instance_type")
_IMAGE_NOT_BUILT = Remedy(DeploymentError, "the environment could not be built: check its packages and versions")
_NO_IMAGE_YET = Remedy(
    DeploymentError,
    "the environment's image was not ready in time: its build log says why; if it only takes long, run the step again",
)
_NEVER_PROVISIONED = Remedy(
    DeploymentError, "its first provisioning failed, and Azure ML does not update it: delete it and make it anew"
)
_ENDPOINT_NEVER_CREATED = Remedy(
    DeploymentError,
    "the endpoint's creation failed, and Azure ML does not use it: delete the endpoint and make it anew",
)
_WAS_DELETED = Remedy(
    ModelError,
    "this version was deleted, and Azure ML does not give a name and version again: name another model_version, or "
    "none for the next free number",
)
_HAS_TRAFFIC = Remedy(None, "it still gets traffic: set its share to 0 first")
_BUSY = Remedy(DeploymentError, "another operation on the endpoint is still running: wait for its end")
_AZURE_FAILED = Remedy(
    None, "Azure failed by itself: run the step again; if it stays so, look at Azure's status page or ask its support"
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
        "the subscription lacks a resource provider: az provider register --namespace NAME, with the name that Azure "
        "gives here (some minutes)",
    ),
    "SubscriptionNotRegistered": Remedy(
        WorkspaceError,
        "the subscription lacks a resource provider: az provider register --namespace NAME for each of "
        "Microsoft.MachineLearningServices, Microsoft.Cdn and Microsoft.PolicyInsights (some minutes each)",
    ),
    "ExpiredAuthenticationToken": _OUTDATED_TOKEN,
    "OutOfQuota": _NO_QUOTA,
    "QuotaExceeded": _NO_QUOTA,
    "OutOfCapacity": _NO_CAPACITY,
    "ImageBuildFailure": _IMAGE_NOT_BUILT,
    "ResourceNotReady": Remedy(DeploymentError, "the container did not become ready: its own log says why"),
    "MissingDriverProgram": Remedy(
        DeploymentError,
        "the deployment has no entry script, and only MLflow and Triton models bring one: give code and "
        "scoring_script, or register the model as an mlflow_model",
    ),
    "InternalServerError": _AZURE_FAILED,
    "ServiceError": _AZURE_FAILED,
}
# Phrases that name a problem for which there is no code of its own, or a code of many meanings.
_BY_PHRASE = tuple(
    (re.compile(phrase, re.IGNORECASE | re.DOTALL), remedy)
    for phrase, remedy in (
        (r"failed during initial provisioning|unrecoverable state", _NEVER_PROVISIONED),
        (r"endpoint.{0,80} has not been created successfully", _ENDPOINT_NEVER_CREATED),
        (r"non-zero traffic", _HAS_TRAFFIC),
        (r"because it is in \w+ provisioning state", _BUSY),
        (
            r"already an endpoint with this name|unique (with)?in (an?|the)( azure)? region",
            Remedy(
                DeploymentError,
                "somebody in this Azure region has an endpoint of this name: give another endpoint_name, or none for a "
                "derived one",
            ),
        ),
        (r"was deleted.* can(no| no|')t be re-?created", _WAS_DELETED),
        (r"\bendpoint quota|quota for (online )?endpoints", _ENDPOINT_QUOTA),
        (r"(waiting for|timeout).* environment image|environment image.* become available", _NO_IMAGE_YET),
        (
            r"does not have pull permission",
            Remedy(
                DeploymentError,
                "the endpoint's identity may not read the image: give it the role 'AcrPull' on the container registry "
                "(a new assignment takes some minutes to work)",
            ),
        ),
        (r"not enough quota|quota (is )?(exceeded|reached|available)", _NO_QUOTA),
        (r"(not enough|insufficient|lack of|out of|no)\b.{0,80}\bcapacity", _NO_CAPACITY),
        (
            r"^not found$",
            Remedy(
                None,
                "Azure ML does not find what the request names: check the workspace, and of a Kubernetes compute that "
                "it is attached and its cluster runs",
            ),
        ),
    )
)
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
        return WorkspaceError(f"{doing}: Azure cannot be reached: check network and proxy ({service_words(lost)})")
    remedy = _remedy(error)
    detail = f"({service_words(error)})"
    if remedy is None:
        return otherwise(f"{doing}: {detail[1:-1]}")
    return (remedy.error or otherwise)(f"{doing}: {remedy.advice} {detail}")


def error_codes(error: HttpResponseError) -> list[str]:
    """Return the service's error codes, the outermost first; those of failed operations sit in the details."""
    return read_service_error(error).codes


def never_provisioned(error: AzureError) -> bool:
    """Say whether Azure ML refuses a resource whose first provisioning failed, so that it has to be made anew."""
    # An answer that refuses, not a failed operation, whose text may hold the end of anybody's log.
    refused = isinstance(error, HttpResponseError) and (error.status_code or 0) >= 400
    return refused and _remedy(error) in (_NEVER_PROVISIONED, _ENDPOINT_NEVER_CREATED)


def was_deleted(error: AzureError) -> bool:
    """Say whether Azure ML refuses a name and version that it once gave to what has been deleted since."""
    return _remedy(error) is _WAS_DELETED


def has_traffic(error: AzureError) -> bool:
    """Say whether Azure ML did not delete a deployment because it gets traffic."""
    return _remedy(error) is _HAS_TRAFFIC


def is_busy(error: AzureError) -> bool:
    """Say whether Azure refuses an operation while another one is under way, in whatever way it says so."""
    remedy = _remedy(error)
    return remedy is _BUSY or (isinstance(error, ResourceExistsError) and remedy in (None, _BY_STATUS[409]))


def is_image_failure(error: AzureError) -> bool:
    """Say whether a deployment failed because its environment's image could not be built."""
    return _remedy(error) in (_IMAGE_NOT_BUILT, _NO_IMAGE_YET)


def _remedy(error: AzureError) -> Remedy | None:
    if isinstance(error, ClientAuthenticationError):
        code = _SIGN_IN_CODE.search(str(error.message))
        # With an answer and no such code it is Azure Resource Manager that refuses the token.
        if code or error.response is None:
            return _BY_SIGN_IN_CODE.get(code[1], _REFUSED) if code else _REFUSED
    if not isinstance(error, HttpResponseError):
        return None
    said = read_service_error(error)
    known = next((_BY_CODE[code] for code in reversed(said.codes) if code in _BY_CODE), None)
    if known in (None, _NO_QUOTA, _AZURE_FAILED):
        known = _by_phrase(said) or known
    if known:
        return known
    if isinstance(error, DecodeError):
        return _NO_ANSWER_OF_AZURE
    if error.status_code is not None and error.status_code < 300:
        return _of_operation(said)
    return _BY_STATUS.get(error.status_code or 0)


def _by_phrase(said: ServiceError) -> Remedy | None:
    for phrase, remedy in _BY_PHRASE:
        if any(phrase.search(text) for _, text in said.texts):
            return remedy
    return _NO_SUCH_MACHINES if "vmsize" in map(str.lower, said.fields) else None


def _of_operation(said: ServiceError) -> Remedy | None:
    """Return what is to be said of an operation that failed for an unknown reason or for none, or was cancelled."""
    if said.operation in ("canceled", "cancelled") or (not said.operation and not said.message):
        return Remedy(None, "the operation was cancelled in Azure")
    return None if said.message else Remedy(None, "the operation failed, and Azure does not say why")


def service_words(error: BaseException) -> str:
    """Return what the service itself says, with its codes, in one line of bounded length."""
    text = error.message if isinstance(error, AzureError) else str(error)
    if isinstance(error, HttpResponseError):
        said = read_service_error(error)
        text = ": ".join(part for part in ("/".join(said.codes), said.message) if part) or text
    words = " ".join(str(text).split())
    return words if len(words) <= _LONGEST_DETAIL else f"{words[:_LONGEST_DETAIL]} ..."
