"""Advice for errors of Azure, by error code, phrase, HTTP status or sign-in code.

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

_ON_KUBEFLOW = f"on Kubeflow in the secret {SECRET_NAME}"


@dataclass(frozen=True)
class Advice:
    """The advice for an error.

    Attributes:
        error: The class of exception to raise; None leaves it to the caller.
        text: What is wrong and what to do.
    """

    error: type[KfpAzuremlError] | None
    text: str


_NO_ROLE = Advice(
    CredentialsError,
    "the identity lacks permission: assign it the role 'AzureML Data Scientist' on the workspace "
    "(a new assignment takes some minutes to take effect)",
)
_REFUSED = Advice(
    CredentialsError,
    f"Azure rejected the credentials: check {', '.join(PRINCIPAL_KEYS)} ({_ON_KUBEFLOW})",
)
_EXPIRED_SECRET = Advice(
    CredentialsError,
    "the client secret has expired: create a new one (az ad app credential reset --id CLIENT_ID) and set "
    "AZ_CLIENT_SECRET to it, on Kubeflow with kfp-azureml azcreds --check",
)
_NO_FEDERATION = Advice(
    CredentialsError,
    "the identity does not trust the pod's service account: add a federated credential with the cluster's issuer "
    "and the subject system:serviceaccount:NAMESPACE:NAME (a new one takes some minutes to take effect)",
)
_OUTDATED_TOKEN = Advice(CredentialsError, "the access token expired: run the step again, it resumes where it stopped")
_NO_QUOTA = Advice(
    DeploymentError, "quota exceeded: request more quota, or set a smaller instance_type or instance_count"
)
_NO_CAPACITY = Advice(
    DeploymentError,
    "Azure has no capacity for this instance_type in this region: set another instance_type, or try again later",
)
_ENDPOINT_QUOTA = Advice(
    DeploymentError,
    "endpoint quota of the subscription in this region exceeded: delete unused endpoints, or request more",
)
_NO_SUCH_MACHINES = Advice(DeploymentError, "instance_type not available in this region: set another one")
IMAGE_NOT_BUILT = Advice(DeploymentError, "the environment could not be built: check its packages and versions")
NO_IMAGE_YET = Advice(
    DeploymentError,
    "the environment's image was not ready in time: see its build log; if the build is only slow, run the step again",
)
NEVER_PROVISIONED = Advice(
    DeploymentError, "its first provisioning failed, so Azure ML cannot update it: delete it and create it again"
)
ENDPOINT_NEVER_CREATED = Advice(
    DeploymentError,
    "the endpoint's creation failed, so Azure ML cannot use it: delete the endpoint and create it again",
)
WAS_DELETED = Advice(
    ModelError,
    "this version was deleted, and Azure ML does not allow it again: set another model_version, or leave it empty for "
    "the next free number",
)
_CRASHED = Advice(DeploymentError, "the container did not become ready: see its log")
_NO_ROOM_IN_CLUSTER = Advice(
    DeploymentError,
    "no node of the cluster can take the container: set smaller requests in resources or another instance_type, delete "
    "unused deployments, or add nodes (kubectl describe pods names what is short)",
)
_OUT_OF_MEMORY = Advice(
    DeploymentError, "the container needs more memory than its limit: set a larger memory limit in resources"
)
_NO_EXTENSION = Advice(
    DeploymentError,
    "Azure ML does not reach its extension in the cluster: check that it is installed and its pods run (kubectl get "
    "pods -n azureml); if so, detach the compute and attach it again with the same name and namespace",
)
_NO_ROUTER = Advice(
    DeploymentError,
    "the cluster's inference router azureml-fe is missing or unhealthy: check its pods (kubectl get pods -n azureml), "
    "and that the extension was installed with enableInference=True",
)
_NO_INSTANCE_TYPE = Advice(
    DeploymentError,
    "the cluster cannot use this instance_type: check that it exists (kubectl get instancetype), that a node has its "
    "labels and that its resources fit on a node",
)
HAS_TRAFFIC = Advice(None, "it still receives traffic: set its traffic to 0 first")
BUSY = Advice(DeploymentError, "another operation on the endpoint is still running: wait until it ends")
CONFLICT = Advice(None, "conflict with an existing resource or a running operation: run the step again later")
_AZURE_FAILED = Advice(
    None, "internal error of Azure: run the step again; if it persists, check Azure's status page or contact support"
)

# Error codes of Azure Resource Manager and Azure Machine Learning.
_BY_CODE = {
    "AuthorizationFailed": _NO_ROLE,
    "LinkedAuthorizationFailed": _NO_ROLE,
    "AuthorizationPermissionMismatch": Advice(
        CredentialsError,
        "the identity lacks access to the workspace's storage: assign it the role 'Storage Blob Data Contributor'",
    ),
    "InvalidSubscriptionId": Advice(WorkspaceError, f"check {SUBSCRIPTION_KEY} or subscription_id"),
    "SubscriptionNotFound": Advice(WorkspaceError, f"check {SUBSCRIPTION_KEY} or subscription_id"),
    "ResourceGroupNotFound": Advice(WorkspaceError, f"check resource_group, and {SUBSCRIPTION_KEY} or subscription_id"),
    "MissingSubscriptionRegistration": Advice(
        WorkspaceError,
        "the subscription lacks a resource provider: az provider register --namespace NAME, with the name in Azure's "
        "message (some minutes)",
    ),
    "SubscriptionNotRegistered": Advice(
        WorkspaceError,
        "the subscription lacks a resource provider: az provider register --namespace NAME for each of "
        "Microsoft.MachineLearningServices, Microsoft.Cdn and Microsoft.PolicyInsights (some minutes each)",
    ),
    "ExpiredAuthenticationToken": _OUTDATED_TOKEN,
    "OutOfQuota": _NO_QUOTA,
    "QuotaExceeded": _NO_QUOTA,
    "OutOfCapacity": _NO_CAPACITY,
    "ImageBuildFailure": IMAGE_NOT_BUILT,
    "ResourceNotReady": _CRASHED,
    # Errors of Kubernetes endpoints: https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints
    "PodUnschedulable": _NO_ROOM_IN_CLUSTER,
    "PodOutOfMemory": _OUT_OF_MEMORY,
    "DeploymentCrashLoopBackOff": _CRASHED,
    "KubernetesCrashLoopBackOff": _CRASHED,
    "UserScriptInitFailed": _CRASHED,
    "UserScriptImportError": _CRASHED,
    "KubernetesUnaccessible": _NO_EXTENSION,
    "ScoringFeUnhealthy": _NO_ROUTER,
    "NamespaceNotFound": Advice(
        DeploymentError,
        "the cluster has no longer the namespace of the compute: create it, or detach the compute and attach it with "
        "another namespace",
    ),
    "ImagePullLoopBackOff": Advice(
        DeploymentError,
        "the cluster cannot pull the image: check that its nodes reach the container registry, and that the identity "
        "of the azureml extension or of the kubelet has the role 'AcrPull' on it",
    ),
    "MissingDriverProgram": Advice(
        DeploymentError,
        "the deployment has no entry script, which only MLflow and Triton models do without: set code and "
        "scoring_script, or register the model as mlflow_model",
    ),
    "InternalServerError": _AZURE_FAILED,
    "ServiceError": _AZURE_FAILED,
}
# Phrases for problems without an error code, or with an ambiguous one.
_BY_PHRASE = tuple(
    (re.compile(phrase, re.IGNORECASE | re.DOTALL), advice)
    for phrase, advice in (
        (r"failed during initial provisioning|unrecoverable state", NEVER_PROVISIONED),
        (r"endpoint.{0,80} has not been created successfully", ENDPOINT_NEVER_CREATED),
        (r"non-zero traffic", HAS_TRAFFIC),
        (r"because it is in \w+ provisioning state", BUSY),
        (
            r"already an endpoint with this name|unique (with)?in (an?|the)( azure)? region",
            Advice(
                DeploymentError,
                "another endpoint in this Azure region has this name: set another endpoint_name, or leave it "
                "empty for a derived one",
            ),
        ),
        (r"was deleted.* can(no| no|')t be re-?created", WAS_DELETED),
        (r"\bendpoint quota|quota for (online )?endpoints", _ENDPOINT_QUOTA),
        (r"(waiting for|timeout).* environment image|environment image.* become available", NO_IMAGE_YET),
        (
            r"does not have pull permission",
            Advice(
                DeploymentError,
                "the endpoint's identity cannot pull the image: assign it the role 'AcrPull' on the container registry "
                "(a new assignment takes some minutes to take effect)",
            ),
        ),
        (
            r"cpu or memory (couldn't|could not|can't) be satisfied|insufficient (cpu|memory)|kubernetes unschedulable",
            _NO_ROOM_IN_CLUSTER,
        ),
        (r"oomkilled|out of memory", _OUT_OF_MEMORY),
        (r"k8s-extension\b.{0,80}not connectable", _NO_EXTENSION),
        (r"invalid instance type|no instance type", _NO_INSTANCE_TYPE),
        (r"not enough quota|quota (is )?(exceeded|reached|available)", _NO_QUOTA),
        (r"(not enough|insufficient|lack of|out of|no)\b.{0,80}\bcapacity", _NO_CAPACITY),
        (
            r"^not found$",
            Advice(
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
    404: Advice(None, "does not exist: check its name and the workspace"),
    409: CONFLICT,
    429: Advice(None, "Azure is throttling this identity: try again later"),
}
_INVALID_RESPONSE = Advice(
    WorkspaceError, "the response is truncated or not from Azure, such as a proxy's page: check network and proxy"
)

# Error codes of Microsoft Entra: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_BY_SIGN_IN_CODE = {
    "7000222": _EXPIRED_SECRET,
    "7000215": Advice(
        CredentialsError,
        f"AZ_CLIENT_SECRET is not a secret of the application: set the secret's value, not its id ({_ON_KUBEFLOW})",
    ),
    "700016": Advice(
        CredentialsError,
        f"the application does not exist in the tenant: check AZ_CLIENT_ID and AZ_TENANT_ID ({_ON_KUBEFLOW}), or the "
        "client id in the annotation of the pod's service account",
    ),
    "90002": Advice(
        CredentialsError,
        f"the tenant does not exist: check AZ_TENANT_ID ({_ON_KUBEFLOW}), or the tenant of the pod's service account",
    ),
    **dict.fromkeys(("70021", "700211", "700212", "700213"), _NO_FEDERATION),
}
# azure-identity does not expose the response's list of codes, but its message starts with the same code.
_SIGN_IN_CODE = re.compile(r"\bAADSTS(\d+)\b")
# And for an unknown tenant it drops Microsoft Entra's message.
_NO_TENANT = "Unable to get authority configuration"


def find_advice(error: AzureError) -> Advice | None:
    """Return the advice for an error; None if there is none."""
    if isinstance(error, ClientAuthenticationError):
        code = _SIGN_IN_CODE.search(str(error.message))
        if not code and _NO_TENANT in str(error.message):
            return _BY_SIGN_IN_CODE["90002"]
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


def _by_phrase(said: ServiceError) -> Advice | None:
    for phrase, advice in _BY_PHRASE:
        if any(phrase.search(text) for _, text in said.texts):
            return advice
    return _NO_SUCH_MACHINES if "vmsize" in map(str.lower, said.fields) else None


def _of_operation(said: ServiceError) -> Advice | None:
    """Return the advice for an operation that was cancelled or failed for an unknown reason."""
    if said.operation in ("canceled", "cancelled") or (not said.operation and not said.message):
        return Advice(None, "the operation was cancelled in Azure: run the step again")
    return None if said.message else Advice(None, "the operation failed, and Azure gave no reason: run the step again")
