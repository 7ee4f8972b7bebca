"""Choose the Kubernetes cluster and namespace; a client with timeouts, and messages for its errors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.kubeflow.api_error_messages import no_answer
from kfp_azureml.runtime.errors import KubeflowError

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

NAMESPACE = "kubeflow"
REQUEST_SECONDS = (10.0, 30.0)
"""Timeouts of a request in seconds, to connect and to respond.

A pair, since the client drops a float (rest.py).
"""
_NO_KUBECONFIG = "no kubeconfig: create one (az aks get-credentials), or set KUBECONFIG to its path"
_IN_CLUSTER_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


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
    files = _kubeconfig(environ)
    with _kubeconfig_errors():
        if files:
            config.load_kube_config(files, context, configuration, persist_config=False)
        elif "KUBERNETES_SERVICE_HOST" in environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            raise KubeflowError(_NO_KUBECONFIG)
    configuration.retries = Retry(0, redirect=False)
    return Cluster(client.CoreV1Api(client.ApiClient(configuration)), configuration.host, namespace)


def has_cluster(environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a cluster is configured: by a kubeconfig, or in a pod."""
    return bool(_kubeconfig(environ)) or "KUBERNETES_SERVICE_HOST" in environ


def choose_namespace(context: str | None, namespace: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Choose the namespace as `open_cluster` does, without a cluster.

    Raises:
        KubeflowError: If the context does not exist or the kubeconfig cannot be read.
    """
    from kubernetes.config import kube_config

    files = _kubeconfig(environ)
    if context and not files:
        raise KubeflowError(_NO_KUBECONFIG)
    if namespace and not context:
        return namespace
    if not files:
        return _IN_CLUSTER_NAMESPACE.read_text().strip() if _IN_CLUSTER_NAMESPACE.is_file() else NAMESPACE
    with _kubeconfig_errors():
        # The public function that lists contexts requires a current one even if another is selected.
        chosen = kube_config._get_kube_config_loader(filename=files, active_context=context).current_context
    return namespace or str(chosen["context"].get("namespace") or NAMESPACE)


@contextmanager
def _kubeconfig_errors() -> Iterator[None]:
    import yaml
    from kubernetes.config import ConfigException

    try:
        yield
    except ConfigException as error:
        raise KubeflowError(f"kubeconfig: {' '.join(str(error).split())}") from error
    except (yaml.YAMLError, OSError) as error:
        raise KubeflowError(f"kubeconfig: cannot be read ({type(error).__name__})") from error


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


def _kubeconfig(environ: Mapping[str, str]) -> str:
    """Return the paths of existing kubeconfig files, joined as in KUBECONFIG; empty if there are none."""
    named = environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    return os.pathsep.join(path for path in named.split(os.pathsep) if path and Path(path).is_file())
