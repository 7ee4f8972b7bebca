"""`kfp-azureml azcreds --check` signs in as a step does."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from kfp_azureml.kubeflow.secret_command import azcreds_command
from kfp_azureml.runtime.errors import CredentialsError
from kubernetes_api import KubernetesApi, running_kubernetes_api, write_kubeconfig


@pytest.fixture
def cluster(workspace, monkeypatch, tmp_path: Path):
    with running_kubernetes_api() as api:
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "kubeconfig", api.url)))
        yield api


def test_values_that_log_in_go_into_the_cluster(cluster: KubernetesApi) -> None:
    result = CliRunner().invoke(azcreds_command, ["--check"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "sign in" in result.stderr
    assert set(cluster.secrets) == {("kubeflow", "azcreds")}


def test_values_that_do_not_log_in_go_nowhere(cluster: KubernetesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZ_CLIENT_SECRET", "another")
    with pytest.raises(CredentialsError, match="signing in") as caught:
        CliRunner().invoke(azcreds_command, ["--check"], catch_exceptions=False)
    assert "another" not in str(caught.value)
    assert not cluster.secrets
