"""Turn refusals of the Kubernetes API into messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kfp_azureml.engines.api import Api
from kfp_azureml.engines.api_errors import ApiError
from kfp_azureml.engines.kinds import Kind
from kfp_azureml.runtime.errors import KubeflowError


@contextmanager
def refusals(api: Api, kind: Kind, verb: str, name: str = "") -> Iterator[None]:
    """Replace `ApiError` in the block with a one-line error.

    Args:
        api: The cluster.
        kind: The kind of resource.
        verb: The verb as in RBAC, such as `create`.
        name: The resource.

    Raises:
        KubeflowError: In place of the error.
    """
    try:
        yield
    except ApiError as error:
        what = f"{kind.name} {api.namespace}/{name}" if name else f"{kind.name}s in namespace {api.namespace}"
        raise KubeflowError(f"{what}: {_explain(api, kind, verb, error)}") from None


def _explain(api: Api, kind: Kind, verb: str, error: ApiError) -> str:
    match error.status:
        case 0:
            return f"no response from the cluster at {api.url} ({error.message})"
        case 401:
            return "the cluster rejects the service account's token: sign in again outside of pods (kubelogin)"
        case 404 if "namespaces" in error.message:
            return f"namespace {api.namespace} does not exist"
        case 404 | 405:
            return _not_installed(kind)
        case _ if error.is_of_quota:
            return f"the namespace's quota is used up: {error.message}"
        case _ if error.is_of_webhook:
            return f"refused by the cluster: {error.message}"
        case 403:
            return missing_right(api, kind, f"{verb} {kind.plural}", error)
        case 400 | 422:
            return f"this cluster's {kind.operator} does not accept it: {error.message}"
    return f"could not {verb} it: {error.message or 'no reason given'} (status {error.status})"


def missing_right(api: Api, kind: Kind, right: str, error: ApiError) -> str:
    """Return the message for a status of 403.

    RBAC refuses before the API looks for the resource, so the operator may be missing as well.

    Args:
        api: The cluster.
        kind: The kind of resource for which the right is needed.
        right: The right, such as `create trainjobs`.
        error: The error.
    """
    if not is_installed(api, kind):
        return _not_installed(kind)
    return (
        f"this service account may not {right} in namespace {api.namespace}: "
        f"kubectl apply -k {kind.role} ({error.message})"
    )


def is_installed(api: Api, kind: Kind) -> bool:
    """Tell whether a cluster has a kind of resource; True if it does not say."""
    try:
        listed = api.get(kind.api_path, for_seconds=0).get("resources", [])
    except ApiError as error:
        return error.status != 404
    return any(resource.get("name") == kind.plural for resource in listed)


def _not_installed(kind: Kind) -> str:
    return (
        f"{kind.operator} is not installed in this cluster, it has no {kind.plural}.{kind.group}: "
        f"install it as {kind.docs} shows"
    )
