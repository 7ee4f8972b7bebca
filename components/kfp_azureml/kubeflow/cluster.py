"""Choose the Kubernetes cluster and namespace; a client with timeouts, and messages for its errors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfp_azureml.engines.kubeconfig import (
    NO_KUBECONFIG,
    choose_namespace,
    kubeconfig_errors,
    kubeconfig_files,
    load_kubeconfig,
)
from kfp_azureml.kubeflow.api_error_messages import no_answer
from kfp_azureml.runtime.errors import KubeflowError

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

REQUEST_SECONDS = (10.0, 30.0)
"""Timeouts of a request in seconds, to connect and to respond.

A pair, since the client drops a float (rest.py).
"""


@dataclass(frozen=True)
class Cluster:
    """A cluster and a namespace in it.

    Attributes:
        core: The client of its core API.
        address: The API's URL.
        namespace: The namespace.
    """

    core: CoreV1Api
    address: str
    namespace: str


def open_cluster(context: str | None, namespace: str | None, environ: Mapping[str, str] = os.environ) -> Cluster:
    """Choose the cluster, without a request to it.

    Args:
        context: A context of the kubeconfig. None selects the current one, or the pod's cluster without a kubeconfig.
        namespace: The namespace. None selects that of the context or pod, else `kubeflow`.
        environ: The environment variables.

    Raises:
        KubeflowError: If no cluster is configured.
    """
    from kubernetes import client, config
    from urllib3 import Retry

    namespace = choose_namespace(context, namespace, environ)
    configuration = client.Configuration()
    if files := kubeconfig_files(environ):
        load_kubeconfig(files, context, configuration)
    elif "KUBERNETES_SERVICE_HOST" in environ:
        with kubeconfig_errors():
            config.load_incluster_config(client_configuration=configuration)
    else:
        raise KubeflowError(NO_KUBECONFIG)
    configuration.retries = Retry(0, redirect=False)
    return Cluster(client.CoreV1Api(client.ApiClient(configuration)), configuration.host, namespace)


def has_cluster(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a cluster is configured: by a kubeconfig, or in a pod."""
    return bool(kubeconfig_files(environ)) or "KUBERNETES_SERVICE_HOST" in environ


@contextmanager
def cluster_errors(cluster: Cluster, verb: str, what: str) -> Iterator[None]:
    """Replace exceptions of the Kubernetes client in the block with one-line errors.

    The server's message is omitted, since it may quote the request.

    Args:
        cluster: The cluster.
        verb: The verb as in RBAC: `get`, `create`, `update`.
        what: The resource as in RBAC: `secrets`.

    Raises:
        KubeflowError: In place of such an exception.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise KubeflowError(f"cluster at {cluster.address}: {_refusal(error, cluster, verb, what)}") from None
    except HTTPError as error:
        raise KubeflowError(f"cluster at {cluster.address}: {no_answer(error, REQUEST_SECONDS)}") from error


def _refusal(error: Any, cluster: Cluster, verb: str, what: str) -> str:
    match error.status:
        case 401:
            return "not authenticated: sign in again (az aks get-credentials, kubelogin)"
        case 403:
            return f"no permission to {verb} {what} in namespace {cluster.namespace}: request a role that allows it"
        case 404:
            return f"namespace {cluster.namespace} does not exist: create it, or set another with --namespace"
    return f"could not {verb} {what} in namespace {cluster.namespace} (status {error.status})"
