"""A healthy cluster with Kubeflow, and nothing of this machine's own settings."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kfp
import pytest
from kubernetes.config import kube_config

from kfp_azureml.azcreds import KEYS
from kfp_azureml.doctor.kubeflow.kubeflow_checks import kubeflow_checks
from kfp_azureml.doctor.kubeflow.wanted import KubeflowSettings
from kfp_azureml.runtime.checks import Result, State, run_checks
from kubeflow_api import KubeflowApi, running_kubeflow_api
from kubernetes_api import KubernetesApi, running_kubernetes_api, write_kubeconfig

VARIABLES = (
    "KF_PIPELINES_ENDPOINT",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "DATABRICKS_HOST",
    "DOCKER_HOST",
    "JAVA_HOME",
)
SECRET = dict.fromkeys(KEYS, "11111111-1111-1111-1111-111111111111")


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in (*VARIABLES, *KEYS):
        monkeypatch.delenv(variable, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(kfp.Client, "_LOCAL_KFP_CONTEXT", str(home / ".config/kfp/context.json"))


@pytest.fixture
def kubeflow() -> Iterator[KubeflowApi]:
    with running_kubeflow_api() as api:
        api.tag_name = "2.17.0"
        yield api


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[KubernetesApi]:
    with running_kubernetes_api() as api:
        path = write_kubeconfig(tmp_path / "kubeconfig", api.url)
        monkeypatch.setenv("KUBECONFIG", str(path))
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        api.add_service_account("pipeline-runner")
        keep_secret(api, SECRET)
        set_defaults(api, "Always")
        yield api


def keep_secret(api: KubernetesApi, values: dict[str, str]) -> None:
    data = {key: b64encode(value.encode()).decode() for key, value in values.items()}
    api.keep("kubeflow", {"metadata": {"name": "azcreds"}, "data": data})


def set_defaults(api: KubernetesApi, policy: str, ttl: int = 3600) -> None:
    """Set the installation's defaults, in the form that Kubeflow 2.17.0 installs them."""
    text = (
        f"spec:\n  ttlStrategy:\n    secondsAfterSuccess: {ttl}\n    secondsAfterFailure: {ttl}\n"
        f"  templateDefaults:\n    retryStrategy:\n      limit: '2'\n      retryPolicy: {policy}\n"
    )
    api.config_maps["kubeflow", "workflow-controller-configmap"] = {"workflowDefaults": text}


@pytest.fixture
def faults(cluster: KubernetesApi, kubeflow: KubeflowApi) -> Callable[..., dict[str, Result]]:
    """Return a function that runs the checks and returns those that are neither ok nor skipped."""

    def check(**settings: Any) -> dict[str, Result]:
        wanted = {"host": kubeflow.url} | settings
        results = list(run_checks(list(kubeflow_checks(KubeflowSettings(**wanted)))))
        wrong = [result for result in results if result.state in (State.WARNING, State.FAILED)]
        assert all(result.mend for result in wrong)
        return {result.name: result for result in wrong}

    # For tests that change the healthy state.
    check.keep_secret = keep_secret  # type: ignore[attr-defined]
    check.set_defaults = set_defaults  # type: ignore[attr-defined]
    return check
