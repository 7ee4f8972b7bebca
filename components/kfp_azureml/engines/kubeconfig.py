"""Choose a kubeconfig and a namespace, and load the kubeconfig with the Kubernetes client."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kfp_azureml.runtime.errors import KubeflowError

NAMESPACE = "kubeflow"
"""The namespace if neither a kubeconfig nor a pod names one: that of Kubeflow Pipelines."""

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Folder in a pod with the service account's token, namespace and the API server's CA certificate."""

NO_KUBECONFIG = "no kubeconfig: create one (az aks get-credentials), or set KUBECONFIG to its path"


def kubeconfig_files(environ: Mapping[str, str] = os.environ) -> str:
    """Return the paths of existing kubeconfig files, joined as in KUBECONFIG; empty if there are none."""
    named = environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    return os.pathsep.join(path for path in named.split(os.pathsep) if path and Path(path).is_file())


def load_kubeconfig(files: str, context: str | None, configuration: Any) -> None:
    """Load a context of kubeconfig files into a configuration of the Kubernetes client.

    Args:
        files: The files, from `kubeconfig_files`.
        context: The context; None selects the current one.
        configuration: A `kubernetes.client.Configuration`.

    Raises:
        KubeflowError: If the context does not exist or a file cannot be read.
    """
    from kubernetes import config

    with kubeconfig_errors():
        config.load_kube_config(files, context, configuration, persist_config=False)


def choose_namespace(context: str | None, namespace: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Choose a namespace: the named one, or that of the context or pod, else `kubeflow`.

    Raises:
        KubeflowError: If the context does not exist or the kubeconfig cannot be read.
    """
    files = kubeconfig_files(environ)
    if context and not files:
        raise KubeflowError(NO_KUBECONFIG)
    if namespace and not context:
        return namespace
    if not files:
        named = SERVICE_ACCOUNT / "namespace"
        return named.read_text().strip() if named.is_file() else NAMESPACE
    from kubernetes.config import kube_config

    with kubeconfig_errors():
        # The public function that lists contexts requires a current one even if another is selected.
        chosen = kube_config._get_kube_config_loader(filename=files, active_context=context).current_context
    return namespace or str(chosen["context"].get("namespace") or NAMESPACE)


@contextmanager
def kubeconfig_errors() -> Iterator[None]:
    """Replace errors of loading a kubeconfig in the block with `KubeflowError`."""
    import yaml
    from kubernetes.config import ConfigException

    try:
        yield
    except ConfigException as error:
        raise KubeflowError(f"kubeconfig: {' '.join(str(error).split())}") from error
    except (yaml.YAMLError, OSError) as error:
        raise KubeflowError(f"kubeconfig: cannot be read ({type(error).__name__})") from error
