"""A double of the Kubernetes API for each test, and no pauses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from kfp_azureml.engines import deletion, retries
from kfp_azureml.engines.api import Api, connect
from kfp_azureml.runtime import polling
from kubernetes_api import write_kubeconfig
from kubernetes_workloads import NAMESPACE, Workloads, running_workloads


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workloads]:
    monkeypatch.setattr(polling, "FIRST_SECONDS", 0.005)
    monkeypatch.setattr(polling, "LONGEST_SECONDS", 0.005)
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(retries, "LONGEST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(deletion, "DELETE_SECONDS", 0.2)
    with running_workloads() as workloads:
        yield workloads


@pytest.fixture
def api(cluster: Workloads, tmp_path: Path) -> Api:
    path = write_kubeconfig(tmp_path / "kubeconfig", cluster.url, NAMESPACE)
    return connect(environ={"KUBECONFIG": str(path)})


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog
