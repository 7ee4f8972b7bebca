"""Doubles of Kubeflow and Kubernetes, and nothing of this machine's own settings."""

from collections.abc import Iterator
from pathlib import Path

import kfp
import pytest
from kubernetes.config import kube_config

from kfp_azureml.azcreds import KEYS
from kfp_azureml.kubeflow import following
from kubeflow_api import KubeflowApi, running_kubeflow_api
from kubernetes_api import KubernetesApi, running_kubernetes_api, write_kubeconfig

VARIABLES = (
    "KF_PIPELINES_ENDPOINT",
    "KF_PIPELINES_UI_ENDPOINT",
    "KF_PIPELINES_SA_TOKEN_PATH",
    "KF_PIPELINES_TOKEN",
    "KF_PIPELINES_COOKIE",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    *KEYS,
)


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(kfp.Client, "_LOCAL_KFP_CONTEXT", str(home / ".config/kfp/context.json"))
    monkeypatch.setattr(following, "FIRST_POLL_SECONDS", 0.01)
    monkeypatch.setattr(following, "POLL_SECONDS", 0.05)


@pytest.fixture
def kubeflow() -> Iterator[KubeflowApi]:
    with running_kubeflow_api() as api:
        yield api


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[KubernetesApi]:
    """A cluster, and a kubeconfig that leads to it."""
    with running_kubernetes_api() as api:
        path = str(write_kubeconfig(tmp_path / "kubeconfig", api.url))
        monkeypatch.setenv("KUBECONFIG", path)
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", path)  # KUBECONFIG when it was imported
        yield api
