"""One thing broken in the cluster at a time: the checks name it and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from http_double import Request, Response, serving
from kfp_azureml.azcreds import KEYS
from kfp_azureml.doctor.kubeflow.train_workers import check_train_workers
from kfp_azureml.kubeflow.cluster import open_cluster
from kfp_azureml.runtime.checks import Result, State
from kubeflow_api import Fault, KubeflowApi
from kubernetes_api import KubernetesApi, write_kubeconfig

Check = Callable[..., dict[str, Result]]
REPOSITORY = Path(__file__).parents[3]
GUID = "11111111-1111-1111-1111-111111111111"
CLIENT_ID = "azure.workload.identity/client-id"


def test_nothing_is_wrong(faults: Check, cluster: KubernetesApi) -> None:
    policy = REPOSITORY / "manifests" / "base" / "limits" / "network-policy.yaml"
    cluster.network_policies["kubeflow", "kfp-azureml-runs"] = yaml.safe_load(policy.read_text())["spec"]
    assert faults() == {}


def test_workload_identity_needs_no_secret(faults: Check, cluster: KubernetesApi) -> None:
    del cluster.secrets["kubeflow", "azcreds"]
    cluster.add_service_account("runner", **{CLIENT_ID: GUID})
    assert faults(service_account="runner") == {}


def test_what_may_not_be_read_is_no_fault(faults: Check, cluster: KubernetesApi) -> None:
    cluster.unreadable = ("namespaces", "serviceaccounts", "configmaps", "networkpolicies", "subjectaccessreviews")
    assert faults() == {}


def break_kubeconfig(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    write_kubeconfig(Path(cluster_kubeconfig()), "http://127.0.0.1:9")


def cluster_kubeconfig() -> str:
    import os

    return os.environ["KUBECONFIG"]


def wrong_token(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    write_kubeconfig(Path(cluster_kubeconfig()), cluster.url, token="expired")


def no_namespace(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    cluster.namespaces = ()


def no_account(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    cluster.service_accounts.clear()


def no_results(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    cluster.no_rights = ("system:serviceaccount:kubeflow:pipeline-runner patch workflowtaskresults",)


def no_secrets_of_mine(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    cluster.no_rights = (" update secrets", " get pods/log")


def no_secret(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    cluster.secrets.clear()


def zeros_as_client_id(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    cluster.add_service_account("pipeline-runner", **{CLIENT_ID: "00000000-0000-0000-0000-000000000000"})


def both_identities(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    cluster.add_service_account("pipeline-runner", **{CLIENT_ID: GUID})


def closed_policy(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    dns = {"to": [{"namespaceSelector": {}}], "ports": [{"protocol": "UDP", "port": 53}]}
    cluster.network_policies["kubeflow", "deny"] = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [dns]}


def old_version(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    kubeflow.tag_name = "1.8.5"


def other_version(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    kubeflow.tag_name = "2.5.0"


def login_page(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    kubeflow.faults[""] = [Fault(200, html=True)] * 5


def token_required(cluster: KubernetesApi, kubeflow: KubeflowApi) -> None:
    kubeflow.token = "needed"


@pytest.mark.parametrize(
    ("break_it", "check", "state", "mend"),
    [
        (break_kubeconfig, "cluster", State.FAILED, "az aks get-credentials"),
        (wrong_token, "cluster", State.FAILED, "az aks get-credentials"),
        (no_namespace, "namespace", State.FAILED, "kubectl create namespace kubeflow"),
        (no_account, "service-account", State.FAILED, "-k manifests/base/account"),
        (no_results, "run-rights", State.FAILED, "-k manifests/base/rights"),
        (no_secrets_of_mine, "user-rights", State.WARNING, "kubectl create rolebinding"),
        (no_secret, "azcreds", State.FAILED, "kfp-azureml azcreds --namespace kubeflow --check"),
        (zeros_as_client_id, "workload-identity", State.FAILED, "kubectl annotate serviceaccount pipeline-runner"),
        (both_identities, "workload-identity", State.WARNING, "kubectl delete secret azcreds"),
        (closed_policy, "network-policy", State.FAILED, "-k manifests/base/limits"),
        (old_version, "version", State.FAILED, "kubectl apply -k"),
        (other_version, "version", State.WARNING, "kubectl apply -k"),
        (login_page, "api", State.FAILED, "kubectl port-forward"),
        (token_required, "api", State.FAILED, "kubectl port-forward"),
    ],
)
def test_one_fault(
    faults: Check,
    cluster: KubernetesApi,
    kubeflow: KubeflowApi,
    break_it: Callable[[KubernetesApi, KubeflowApi], None],
    check: str,
    state: State,
    mend: str,
) -> None:
    break_it(cluster, kubeflow)
    found = faults()
    assert found.keys() == {f"kubeflow.{check}"}
    (result,) = found.values()
    assert (result.state, mend in result.mend) == (state, True), result


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        *((key, None, f"{key} is missing or empty") for key in KEYS),
        ("AZ_CLIENT_SECRET", "", "AZ_CLIENT_SECRET is missing or empty"),
        ("AZ_CLIENT_SECRET", "s3cr3t-value-123\n", "AZ_CLIENT_SECRET ends in white space"),
        ("AZ_TENANT_ID", '"s3cr3t-value-123"', "AZ_TENANT_ID is in quotation marks"),
    ],
)
def test_a_key_of_the_secret(faults: Any, cluster: KubernetesApi, key: str, value: str | None, said: str) -> None:
    values = {name: value if name == key else GUID for name in KEYS}
    faults.keep_secret(cluster, {name: text for name, text in values.items() if text is not None})
    found = faults()
    assert found.keys() == {"kubeflow.azcreds"}
    assert said in found["kubeflow.azcreds"].message
    assert "s3cr3t" not in str(found)


def test_two_faults_of_the_secret_are_named_at_once(faults: Any, cluster: KubernetesApi) -> None:
    faults.keep_secret(cluster, {"AZ_CLIENT_ID": f"{GUID} ", "AZ_TENANT_ID": GUID})
    message = faults()["kubeflow.azcreds"].message
    assert "AZ_CLIENT_ID ends in white space" in message
    assert "AZ_CLIENT_SECRET is missing" in message


@pytest.mark.parametrize(
    ("policy", "ttl", "mend"), [("OnError", 3600, "-k manifests/retries"), ("Always", 60, "TTL=3600")]
)
def test_defaults_of_the_installation(faults: Any, cluster: KubernetesApi, policy: str, ttl: int, mend: str) -> None:
    faults.set_defaults(cluster, policy, ttl)
    found = faults()
    assert found.keys() == {"kubeflow.workflow-defaults"}
    assert mend in found["kubeflow.workflow-defaults"].mend


def test_defaults_that_are_not_yaml(faults: Check, cluster: KubernetesApi) -> None:
    cluster.config_maps["kubeflow", "workflow-controller-configmap"] = {"workflowDefaults": "a: [b"}
    assert faults().keys() == {"kubeflow.workflow-defaults"}


def test_a_token_file_that_does_not_exist(faults: Check, tmp_path: Path) -> None:
    assert faults(token_file=tmp_path / "none").keys() == {"kubeflow.api"}


def test_without_a_kubeconfig_the_api_alone_is_checked(
    faults: Check, kubeflow: KubeflowApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    assert faults() == {}
    assert faults(host="").keys() == {"kubeflow.cluster"}


@pytest.mark.parametrize(
    ("status", "found", "mend"),
    [
        (HTTPStatus.OK, set(), ""),
        (HTTPStatus.NOT_FOUND, {"kubeflow.images"}, "make images push REGISTRY="),
        (HTTPStatus.UNAUTHORIZED, set(), ""),
    ],
)
def test_images_in_a_registry(faults: Check, tmp_path: Path, status: int, found: set[str], mend: str) -> None:
    asked = []

    def answer(request: Request) -> Response:
        asked.append(request.path)
        return Response(status, b"")

    with serving(answer) as url:
        image = f"{url.removeprefix('http://')}/team/azure:1"
        results = faults(pipeline=compiled(tmp_path, image))
    assert results.keys() == found
    assert asked == ["/v2/team/azure/manifests/1"]
    assert all(mend in result.mend for result in results.values())


def test_images_without_a_registry(faults: Check, tmp_path: Path) -> None:
    found = faults(pipeline=compiled(tmp_path, "kfp-azureml/azure:0.1.0"))
    assert found.keys() == {"kubeflow.images"}
    assert found["kubeflow.images"].state is State.WARNING
    assert "make images push" in found["kubeflow.images"].mend


def test_a_file_that_is_no_pipeline(faults: Check, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("a: 1")
    assert faults(pipeline=tmp_path / "other.yaml").keys() == {"kubeflow.images"}


def compiled(folder: Path, image: str) -> Path:
    path = folder / "pipeline.yaml"
    executors = {"exec-a": {"container": {"image": image}}}
    path.write_text(yaml.safe_dump({"root": {}, "deploymentSpec": {"executors": executors}}))
    return path


TRAINER = "/apis/trainer.kubeflow.org/v1alpha1"


@pytest.fixture
def two_workers(tmp_path: Path) -> Path:
    pipeline = tmp_path / "pipeline.yaml"
    pipeline.write_text("components: {comp-train-distributed: {}}\ndeploymentSpec: {executors: {}}\nroot: {}\n")
    return pipeline


def test_trainer_is_missed_only_by_a_pipeline_with_train_workers(
    faults: Check, cluster: KubernetesApi, two_workers: Path
) -> None:
    assert "kubeflow.train-workers" not in faults()
    found = faults(pipeline=two_workers)["kubeflow.train-workers"]
    assert (found.state, "kubeflow/trainer" in found.mend) == (State.FAILED, True)
    assert "Kubeflow Trainer 2 (trainjobs.trainer.kubeflow.org) is not installed" in found.message


def test_the_rights_for_trainjobs_are_checked_where_trainer_is_installed(
    faults: Check, cluster: KubernetesApi, two_workers: Path
) -> None:
    cluster.extensions = (TRAINER,)
    assert "kubeflow.train-workers" not in faults(pipeline=two_workers)
    cluster.no_rights = ("system:serviceaccount:kubeflow:pipeline-runner create trainjobs",)
    found = faults()["kubeflow.train-workers"]
    assert (found.state, found.mend) == (State.WARNING, "kubectl apply -k manifests/train-workers")
    found = faults(pipeline=two_workers)["kubeflow.train-workers"]
    assert found.state is State.FAILED
    assert "service account pipeline-runner may not create trainjobs" in found.message


def test_the_training_runtime_is_named(cluster: KubernetesApi) -> None:
    at = open_cluster(None, None)
    cluster.extensions = (TRAINER,)
    assert "training runtime torch-distributed" in check_train_workers(at, "pipeline-runner", None).message
    cluster.extensions = (TRAINER, f"{TRAINER}/clustertrainingruntimes/kfp-azureml")
    assert check_train_workers(at, "pipeline-runner", None).message.endswith("training runtime kfp-azureml")
