"""Doubles of Kubeflow and Kubernetes, and nothing of this machine's own settings."""

from collections.abc import Iterator
from pathlib import Path

import kfp
import pytest
from kubernetes.config import incluster_config, kube_config

from kfp_azureml.azcreds import KEYS
from kfp_azureml.kubeflow import run_follower
from kfp_azureml.runtime import polling
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
    "KUBERNETES_SERVICE_PORT",
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
    monkeypatch.setattr(polling, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(polling, "LONGEST_SECONDS", 0.05)
    monkeypatch.setattr(run_follower, "SETTLE_SECONDS", 0.3)


@pytest.fixture
def kubeflow() -> Iterator[KubeflowApi]:
    with running_kubeflow_api() as api:
        yield api


@pytest.fixture
def in_a_pod(kubeflow: KubeflowApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What a pod in the profile `ada` has, where Kubeflow is; returns where its token for Kubeflow goes."""
    mounted = {"token": "pod-token", "ca.crt": "-----BEGIN CERTIFICATE-----", "namespace": "ada"}
    for name, text in mounted.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setattr(kfp.Client, "_NAMESPACE_PATH", str(tmp_path / "namespace"))
    monkeypatch.setattr(kfp.Client, "_IN_CLUSTER_DNS_NAME", kubeflow.url.removeprefix("http://"))
    monkeypatch.setattr(kfp.client, "KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "kubeflow-token"))
    return tmp_path / "kubeflow-token"


@pytest.fixture
def kubeconfig(kubeflow: KubeflowApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kubeconfig of the cluster that Kubeflow is in."""
    _use_kubeconfig(monkeypatch, write_kubeconfig(tmp_path / "kubeconfig", kubeflow.url))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[KubernetesApi]:
    """A cluster, and a kubeconfig that leads to it."""
    with running_kubernetes_api() as api:
        _use_kubeconfig(monkeypatch, write_kubeconfig(tmp_path / "kubeconfig", api.url))
        yield api


def _use_kubeconfig(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))  # KUBECONFIG when it was imported
