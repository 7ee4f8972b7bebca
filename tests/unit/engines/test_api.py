"""Requests to the Kubernetes API: credentials, certificates, retries."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme
import yaml

from http_double import Request, Response, json_response, serving
from kfp_azureml.engines import api as api_module
from kfp_azureml.engines import kubeconfig, retries
from kfp_azureml.engines.api import Api, connect
from kfp_azureml.engines.api_errors import ApiError
from kfp_azureml.engines.pods import pods_of
from kfp_azureml.engines.train_job import TRAIN_JOB
from kfp_azureml.runtime.errors import KubeflowError
from kubernetes_api import write_kubeconfig
from kubernetes_workloads import NAMESPACE, Workloads, status

JOBS = f"/apis/trainer.kubeflow.org/v1alpha1/namespaces/{NAMESPACE}/trainjobs"


@pytest.fixture
def in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (kubeconfig, api_module):
        monkeypatch.setattr(module, "SERVICE_ACCOUNT", tmp_path)
    (tmp_path / "token").write_text("token-1\n")
    (tmp_path / "namespace").write_text("team\n")
    return tmp_path


def test_a_pod_signs_in_with_its_mounted_token_read_for_each_request(
    in_a_pod: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(in_a_pod / "ca.crt"))
    context = tls_context(authority)
    seen: list[str] = []

    def answer(request: Request) -> Response:
        seen.append(request.headers["Authorization"])
        return json_response(200, {"items": []})

    # The proxy for Azure is not asked for the cluster.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with serving(answer, context) as url:
        port = url.rpartition(":")[2]
        environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port, "HOME": str(in_a_pod)}
        monkeypatch.setenv("HOME", str(in_a_pod))
        api = connect(environ=environ)
        api.get(JOBS)
        (in_a_pod / "token").write_text("token-2\n")
        api.get(JOBS)
    assert (api.namespace, seen) == ("team", ["Bearer token-1", "Bearer token-2"])


def tls_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_an_untrusted_certificate_is_one_line_and_not_retried(in_a_pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trustme.CA().cert_pem.write_to_path(str(in_a_pod / "ca.crt"))
    monkeypatch.setenv("HOME", str(in_a_pod))
    with serving(lambda _: json_response(200, {}), tls_context(trustme.CA())) as url:
        port = url.rpartition(":")[2]
        api = connect(environ={"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port})
        with pytest.raises(KubeflowError, match="its certificate is not trusted"):
            api.get(JOBS)


def test_outside_of_a_cluster_a_kubeconfig_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(KubeflowError, match="no kubeconfig: create one"):
        connect(environ={})


def test_a_pod_without_a_token_is_named(in_a_pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(in_a_pod))
    (in_a_pod / "token").unlink()
    with pytest.raises(KubeflowError, match="automountServiceAccountToken"):
        connect(environ={"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"})


@pytest.mark.parametrize(
    "fault",
    [
        None,
        status(429, "TooManyRequests", "too many requests", **{"Retry-After": "1"}),
        status(500, "InternalError", "failed calling webhook"),
        Response(503, b"<html>no upstream</html>", "text/html"),
        status(410, "Expired", "too old resource version"),
        status(409, "Conflict", "Operation cannot be fulfilled on resourcequotas"),
    ],
    ids=["dropped", "429", "500", "503 of a proxy", "410", "conflict"],
)
def test_transient_errors_are_retried(api: Api, cluster: Workloads, fault: Response | None) -> None:
    cluster.faults["GET trainjobs"] = [fault, fault, fault]
    assert api.get(JOBS) == {"items": []}
    assert cluster.requests == ["GET trainjobs"] * 4


def test_a_token_that_just_rotated_is_tried_again_a_wrong_one_is_not_for_ever(api: Api, cluster: Workloads) -> None:
    unauthorized = status(401, "Unauthorized", "Unauthorized")
    cluster.faults["GET trainjobs"] = [unauthorized, unauthorized]
    assert api.get(JOBS) == {"items": []}
    cluster.tokens = set()
    cluster.requests.clear()
    with pytest.raises(ApiError, match="Unauthorized"):
        api.get(JOBS)
    assert len(cluster.requests) == 3


def test_retries_end(api: Api, cluster: Workloads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 1.0)
    monkeypatch.setattr(retries, "LONGEST_PAUSE_SECONDS", 1.0)
    cluster.faults["GET trainjobs"] = [status(503, "ServiceUnavailable", "etcd is away")] * 9
    with pytest.raises(ApiError, match="etcd is away"):
        api.get(JOBS, for_seconds=0)
    assert len(cluster.requests) == 1


def test_a_redirect_to_a_login_page_is_no_answer(api: Api, cluster: Workloads) -> None:
    cluster.faults["GET trainjobs"] = [Response(302, b"", headers={"Location": "https://login.example.com"})]
    with pytest.raises(ApiError):
        api.get(JOBS)


@pytest.mark.parametrize("content", [b"<html>sign in</html>", b"[]", b"", b"[" * 200_000, b'"\xff"'])
def test_an_answer_that_is_not_kubernetes_is_tried_again_and_said(api: Api, cluster: Workloads, content: bytes) -> None:
    cluster.faults["GET trainjobs"] = [Response(200, content)] * 2
    with pytest.raises(ApiError, match="a proxy's, or of another server"):
        api.get(JOBS, for_seconds=0)
    assert api.get(JOBS) == {"items": []}
    assert len(cluster.requests) == 3


def test_null_means_the_same_as_nothing(api: Api, cluster: Workloads) -> None:
    """As Go writes lists that nobody has made."""
    cluster.faults["GET trainjobs"] = [json_response(200, {"items": None, "metadata": {"labels": None}})]
    assert api.get(JOBS) == {"metadata": {}}
    cluster.faults["GET pods"] = [json_response(200, {"items": None})]
    assert pods_of(api, TRAIN_JOB, "train-1") == []


def test_a_closed_port_is_said_without_python(api: Api) -> None:
    away = Api("http://127.0.0.1:1", "team", api.session, lambda: "")
    with pytest.raises(ApiError, match="Connection refused"):
        away.get(JOBS, for_seconds=0)


def test_the_kubeconfigs_certificate_is_not_replaced_by_the_one_for_azure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, other = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    other.cert_pem.write_to_path(str(tmp_path / "other.crt"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.crt"))
    with serving(lambda _: json_response(200, {"items": []}), tls_context(authority)) as url:
        path = write_kubeconfig(tmp_path / "kubeconfig", url, NAMESPACE)
        config = yaml.safe_load(path.read_text())
        config["clusters"][0]["cluster"]["certificate-authority"] = str(tmp_path / "ca.crt")
        path.write_text(yaml.safe_dump(config))
        assert connect(environ={"KUBECONFIG": str(path)}).get(JOBS) == {"items": []}
