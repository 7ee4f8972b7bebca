"""Advice for errors of Azure: what a person can do, by error code, phrase, HTTP status or sign-in code.

The code decides. Where the service wraps another service's error into a code that says nothing, the phrase that names
the problem decides, and without either the HTTP status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from azure.core.exceptions import AzureError, ClientAuthenticationError, DecodeError, HttpResponseError

from kfp_azureml.azcreds import PRINCIPAL_KEYS, SECRET_NAME, SUBSCRIPTION_KEY
from kfp_azureml.azureml.error_body import ServiceError, read_service_error
from kfp_azureml.runtime.errors import CredentialsError, DeploymentError, KfpAzuremlError, ModelError, WorkspaceError


@dataclass(frozen=True)
class Remedy:
    """The advice for an error.

    Attributes:
        error: The class of exception to raise; None leaves it to the caller.
        advice: What is wrong and what to do.
    """

    error: type[KfpAzuremlError] | None
    advice: str


_NO_ROLE = Remedy(
    CredentialsError,
    "the identity lacks permission: assign it the role 'AzureML Data Scientist' on the workspace "
    "(a new assignment takes some minutes to take effect)",
)
_REFUSED = Remedy(
    CredentialsError,
    f"Azure rejected the credentials: check {', '.join(PRINCIPAL_KEYS)} in {SECRET_NAME}",
)
_EXPIRED_SECRET = Remedy(
    CredentialsError,
    "the client secret has expired: create a new one (az ad app credential reset --id CLIENT_ID) and put it into "
    f"{SECRET_NAME} (kfp-azureml azcreds --check)",
)
_NO_FEDERATION = Remedy(
    CredentialsError,
    "the identity does not trust the pod's service account: add a federated credential with the cluster's issuer "
    "and the subject system:serviceaccount:NAMESPACE:NAME (a new one takes some minutes to take effect)",
)
_OUTDATED_TOKEN = Remedy(CredentialsError, "the access token expired: run the step again, it resumes where it stopped")
_NO_QUOTA = Remedy(
    DeploymentError, "the quota is used up: request more, or set a smaller instance_type or instance_count"
)
_NO_CAPACITY = Remedy(
    DeploymentError, "Azure has no capacity for these machines in this region: set another instance_type, or try later"
)
_ENDPOINT_QUOTA = Remedy(
    DeploymentError,
    "the endpoint quota of the subscription in this region is used up: delete unused endpoints, or request more",
)
_NO_SUCH_MACHINES = Remedy(
    DeploymentError, "this machine type is not available in this region: set another instance_type"
)
IMAGE_NOT_BUILT = Remedy(DeploymentError, "the environment could not be built: check its packages and versions")
NO_IMAGE_YET = Remedy(
    DeploymentError,
    "the environment's image was not ready in time: see its build log; if the build is only slow, run the step again",
)
NEVER_PROVISIONED = Remedy(
    DeploymentError, "its first provisioning failed, so Azure ML cannot update it: delete it and create it again"
)
ENDPOINT_NEVER_CREATED = Remedy(
    DeploymentError,
    "the endpoint's creation failed, so Azure ML cannot use it: delete the endpoint and create it again",
)
WAS_DELETED = Remedy(
    ModelError,
    "this version was deleted, and Azure ML does not allow it again: set another model_version, or none for the next "
    "free number",
)
HAS_TRAFFIC = Remedy(None, "it still receives traffic: set its traffic to 0 first")
BUSY = Remedy(DeploymentError, "another operation on the endpoint is still running: wait until it ends")
CONFLICT = Remedy(None, "it conflicts with an existing resource, or another operation is still running")
_AZURE_FAILED = Remedy(
    None, "internal error of Azure: run the step again; if it persists, check Azure's status page or contact support"
)

# Error codes of Azure Resource Manager and Azure Machine Learning.
_BY_CODE = {
    "AuthorizationFailed": _NO_ROLE,
    "LinkedAuthorizationFailed": _NO_ROLE,
    "AuthorizationPermissionMismatch": Remedy(
        CredentialsError,
        "the identity lacks access to the workspace's storage: assign it the role 'Storage Blob Data Contributor'",
    ),
    "InvalidSubscriptionId": Remedy(WorkspaceError, f"check {SUBSCRIPTION_KEY} or subscription_id"),
    "SubscriptionNotFound": Remedy(WorkspaceError, f"check {SUBSCRIPTION_KEY} or subscription_id"),
    "ResourceGroupNotFound": Remedy(WorkspaceError, f"check resource_group, and {SUBSCRIPTION_KEY} or subscription_id"),
    "MissingSubscriptionRegistration": Remedy(
        WorkspaceError,
        "the subscription lacks a resource provider: az provider register --namespace NAME, with the name in Azure's "
        "message (some minutes)",
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
    "ImageBuildFailure": IMAGE_NOT_BUILT,
    "ResourceNotReady": Remedy(DeploymentError, "the container did not become ready: see its log"),
    "MissingDriverProgram": Remedy(
        DeploymentError,
        "the deployment has no entry script, which only MLflow and Triton models do without: set code and "
        "scoring_script, or register the model as mlflow_model",
    ),
    "InternalServerError": _AZURE_FAILED,
    "ServiceError": _AZURE_FAILED,
}
# Phrases for problems without an error code, or with an ambiguous one.
_BY_PHRASE = tuple(
    (re.compile(phrase, re.IGNORECASE | re.DOTALL), remedy)
    for phrase, remedy in (
        (r"failed during initial provisioning|unrecoverable state", NEVER_PROVISIONED),
        (r"endpoint.{0,80} has not been created successfully", ENDPOINT_NEVER_CREATED),
        (r"non-zero traffic", HAS_TRAFFIC),
        (r"because it is in \w+ provisioning state", BUSY),
        (
            r"already an endpoint with this name|unique (with)?in (an?|the)( azure)? region",
            Remedy(
                DeploymentError,
                "another endpoint in this Azure region has this name: set another endpoint_name, or none for a "
                "derived one",
            ),
        ),
        (r"was deleted.* can(no| no|')t be re-?created", WAS_DELETED),
        (r"\bendpoint quota|quota for (online )?endpoints", _ENDPOINT_QUOTA),
        (r"(waiting for|timeout).* environment image|environment image.* become available", NO_IMAGE_YET),
        (
            r"does not have pull permission",
            Remedy(
                DeploymentError,
                "the endpoint's identity cannot pull the image: assign it the role 'AcrPull' on the container registry "
                "(a new assignment takes some minutes to take effect)",
            ),
        ),
        (r"not enough quota|quota (is )?(exceeded|reached|available)", _NO_QUOTA),
        (r"(not enough|insufficient|lack of|out of|no)\b.{0,80}\bcapacity", _NO_CAPACITY),
        (
            r"^not found$",
            Remedy(
                None,
                "Azure ML does not find a resource in the request: check the workspace; for a Kubernetes compute, "
                "check that it is attached and its cluster runs",
            ),
        ),
    )
)
_BY_STATUS = {
    401: _REFUSED,
    403: _NO_ROLE,
    404: Remedy(None, "it does not exist"),
    409: CONFLICT,
    429: Remedy(None, "Azure is throttling this identity: try again later"),
}
_INVALID_RESPONSE = Remedy(
    WorkspaceError, "the response is truncated or not from Azure, such as a proxy's page: check network and proxy"
)

# Error codes of Microsoft Entra: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_BY_SIGN_IN_CODE = {
    "7000222": _EXPIRED_SECRET,
    "7000215": Remedy(
        CredentialsError,
        f"AZ_CLIENT_SECRET in {SECRET_NAME} is not a secret of the application: set the secret's value, not its id",
    ),
    "700016": Remedy(
        CredentialsError,
        "the application does not exist in the tenant: check AZ_CLIENT_ID and AZ_TENANT_ID in "
        f"{SECRET_NAME}, or the client id in the annotation of the pod's service account",
    ),
    "90002": Remedy(
        CredentialsError,
        f"the tenant does not exist: check AZ_TENANT_ID in {SECRET_NAME}, or the tenant of the pod's service account",
    ),
    **dict.fromkeys(("70021", "700211", "700212", "700213"), _NO_FEDERATION),
}
# azure-identity does not expose the response's list of codes, but its message starts with the same code.
_SIGN_IN_CODE = re.compile(r"\bAADSTS(\d+)\b")


def find_remedy(error: AzureError) -> Remedy | None:
    """Return the remedy for an error; None if nothing is known about it."""
    if isinstance(error, ClientAuthenticationError):
        code = _SIGN_IN_CODE.search(str(error.message))
        # A response without such a code means that Azure Resource Manager rejected the token.
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
        return _INVALID_RESPONSE
    if error.status_code is not None and error.status_code < 300:
        return _of_operation(said)
    return _BY_STATUS.get(error.status_code or 0)


def _by_phrase(said: ServiceError) -> Remedy | None:
    for phrase, remedy in _BY_PHRASE:
        if any(phrase.search(text) for _, text in said.texts):
            return remedy
    return _NO_SUCH_MACHINES if "vmsize" in map(str.lower, said.fields) else None


def _of_operation(said: ServiceError) -> Remedy | None:
    """Return the remedy for an operation that was cancelled or failed for an unknown reason."""
    if said.operation in ("canceled", "cancelled") or (not said.operation and not said.message):
        return Remedy(None, "the operation was cancelled in Azure")
    return None if said.message else Remedy(None, "the operation failed without a reason from Azure")
