"""Who we are to Kubeflow, and where it is."""

import logging
import socket
import ssl
from pathlib import Path

import kfp
import pytest
import trustme

from kfp_azureml.kubeflow import api_error_messages
from kfp_azureml.kubeflow import connection as connection_module
from kfp_azureml.kubeflow.connection import Connection, api_address, choose_connection, connect, page_of_run
from kfp_azureml.runtime.errors import KubeflowError
from kubeflow_api import Fault, KubeflowApi, running_kubeflow_api
from kubernetes_api import KubernetesApi

SECRET = "very-secret"
DNS_NAME = kfp.Client._IN_CLUSTER_DNS_NAME  # before a test puts its double's in its place


def chosen(environ: dict[str, str] | None = None, **given: Path) -> Connection:
    names = ("host", "namespace", "token_file", "cookie_file", "ca_cert")
    return choose_connection(*(given.get(name) for name in names), environ or {})


def secret_file(tmp_path: Path, text: str = f"{SECRET}\n") -> Path:
    path = tmp_path / "secret"
    path.write_text(text)
    return path


@pytest.mark.parametrize("kind", ["token", "cookie"])
@pytest.mark.parametrize("source", ["file", "variable"])
def test_a_token_or_cookie_from_a_file_or_a_variable_opens_the_door(
    kubeflow: KubeflowApi, tmp_path: Path, kind: str, source: str
) -> None:
    setattr(kubeflow, kind, SECRET)
    if source == "file":
        connection = chosen(host=kubeflow.url, **{f"{kind}_file": secret_file(tmp_path)})
    else:
        connection = chosen({f"KF_PIPELINES_{kind.upper()}": SECRET}, host=kubeflow.url)
    connect(connection)
    assert SECRET not in repr(connection)


def test_a_tokens_file_is_read_again_as_it_is_renewed(kubeflow: KubeflowApi, tmp_path: Path) -> None:
    path = secret_file(tmp_path, "first")
    kubeflow.token = "first"
    client = connect(chosen(host=kubeflow.url, token_file=path))
    kubeflow.token = "second"
    path.write_text("second")
    client.list_experiments()


def test_in_a_pod_kubeflows_own_token_is_taken(kubeflow: KubeflowApi, tmp_path: Path) -> None:
    kubeflow.token = SECRET
    variables = {"KF_PIPELINES_SA_TOKEN_PATH": str(secret_file(tmp_path)), "KF_PIPELINES_ENDPOINT": kubeflow.url}
    connect(chosen(variables))


@pytest.mark.parametrize("text", ["", "  \n", "a\nb", "umläut"])
def test_what_cannot_be_sent_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    for option in ("token_file", "cookie_file"):
        with pytest.raises(KubeflowError, match="expected one line of printable ASCII") as raised:
            chosen(**{option: secret_file(tmp_path, text)})
        assert not text.strip() or text not in str(raised.value)
    with pytest.raises(KubeflowError, match=r"token file .*nowhere: missing"):
        chosen(token_file=tmp_path / "nowhere")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
@pytest.mark.parametrize("kind", ["token", "cookie"])
def test_a_file_that_windows_wrote_opens_the_door_too(
    kubeflow: KubeflowApi, tmp_path: Path, kind: str, encoding: str
) -> None:
    setattr(kubeflow, kind, SECRET)
    path = tmp_path / "secret"
    path.write_bytes(f"{SECRET}\r\n".encode(encoding))
    connect(chosen(host=kubeflow.url, **{f"{kind}_file": path}))


def test_without_an_address_it_says_how_to_give_one() -> None:
    with pytest.raises(KubeflowError, match="set --host or KF_PIPELINES_ENDPOINT"):
        connect(chosen())


def test_without_an_address_the_kubeconfig_leads_to_kubeflow(cluster: KubernetesApi) -> None:
    with pytest.raises(KubeflowError, match="not found: check --host"):  # there is a cluster, but no Kubeflow in it
        connect(chosen())
    path = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy/apis/v2beta1/healthz"
    assert set(cluster.requests) == {f"GET {path}"}


@pytest.mark.parametrize("source", ["mounted", "named", "file", "variable"])
def test_in_a_pod_kubeflow_is_found_and_whichever_token_is_given_is_sent(
    kubeflow: KubeflowApi, in_a_pod: Path, tmp_path: Path, source: str
) -> None:
    kubeflow.token, kubeflow.multi_user = SECRET, True
    in_a_pod.write_text(SECRET if source == "mounted" else "another")
    match source:
        case "named":
            connection = chosen({"KF_PIPELINES_SA_TOKEN_PATH": str(secret_file(tmp_path))})
        case "file":
            connection = chosen(token_file=secret_file(tmp_path))
        case "variable":
            connection = chosen({"KF_PIPELINES_TOKEN": SECRET})
        case _:
            connection = chosen()
    client = connect(connection)
    assert api_address(client) == kubeflow.url
    assert client.get_user_namespace() == "ada"


def test_in_a_pod_the_address_is_the_services_own(in_a_pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kfp.Client, "_IN_CLUSTER_DNS_NAME", DNS_NAME)
    assert connection_module._address_in_a_pod() == "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert connection_module._address_in_a_pod() == ""


def test_a_token_does_not_go_through_a_kubeconfig(cluster: KubernetesApi, tmp_path: Path) -> None:
    for connection in (chosen({"KF_PIPELINES_TOKEN": SECRET}), chosen(token_file=secret_file(tmp_path))):
        with pytest.raises(KubeflowError, match=r"a token needs Kubeflow's URL.*set --host"):
            connect(connection)
    assert not cluster.requests


@pytest.mark.parametrize(
    ("host", "variable", "page"),
    [
        ("", "", ""),
        ("http://localhost:8080", "", "http://localhost:8080/#/runs/details/1"),
        ("kubeflow.example/pipeline/", "", "https://kubeflow.example/pipeline/#/runs/details/1"),
        ("", "https://kubeflow.example", "https://kubeflow.example/#/runs/details/1"),
        ("http://ml-pipeline:8888", "https://kubeflow.example", "https://kubeflow.example/#/runs/details/1"),
    ],
)
def test_a_runs_page_is_where_a_browser_finds_it(host: str, variable: str, page: str) -> None:
    assert page_of_run(Connection(host=host), "1", {"KF_PIPELINES_UI_ENDPOINT": variable}) == page


def test_several_users_need_a_namespace(kubeflow: KubeflowApi) -> None:
    kubeflow.multi_user = True
    with pytest.raises(KubeflowError, match="--namespace"):
        connect(Connection(host=kubeflow.url))
    client = connect(Connection(host=kubeflow.url, namespace="ada"))
    client.create_experiment("mine", namespace="ada")
    assert [known["namespace"] for known in kubeflow.experiments.values()] == ["ada"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nobody_there_is_said_at_once_and_quietly(caplog, capfd) -> None:
    with pytest.raises(KubeflowError, match="connection refused"):
        connect(Connection(host=f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(KubeflowError, match="unknown host"):
        connect(Connection(host="https://kubeflow.invalid"))
    with pytest.raises(KubeflowError, match="not a valid URL"):
        connect(Connection(host="https://[bad"))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert capfd.readouterr() == ("", "")


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_error_messages, "REQUEST_SECONDS", (0.2, 0.2))
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(KubeflowError, match=r"no response within 0\.2 s"),
    ):
        connect(Connection(host=f"http://127.0.0.1:{silent.getsockname()[1]}"))


def test_an_upload_that_the_server_never_answers_ends(
    kubeflow: KubeflowApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken.yaml").write_text("a: [b")
    client = connect(Connection(host=kubeflow.url))
    monkeypatch.setattr(api_error_messages, "REQUEST_SECONDS", (30.0, 0.2))
    with (
        pytest.raises(KubeflowError, match=r"uploading: no response within 0\.2 s$"),
        api_error_messages.api_errors("uploading", kubeflow.url),
    ):
        client.upload_pipeline(str(tmp_path / "broken.yaml"), "broken")
    assert kubeflow.requests.count("POST /pipelines/upload") == 1


def test_a_certificate_of_ones_own_is_trusted_only_when_it_is_named(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    certificate = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(certificate))
    with running_kubeflow_api(context) as api:
        with pytest.raises(KubeflowError, match=r"not trusted \(.+\): .*--ca-cert"):
            connect(chosen(host=api.url))
        connect(chosen(host=api.url, ca_cert=certificate))
    with pytest.raises(KubeflowError, match="no such file"):
        chosen(ca_cert=tmp_path / "nowhere")


def test_https_at_a_server_without_tls_is_said_so(kubeflow: KubeflowApi) -> None:
    with pytest.raises(KubeflowError, match="does not use TLS"):
        connect(Connection(host=kubeflow.url.removeprefix("http://")))


def test_a_login_page_is_not_followed(kubeflow: KubeflowApi) -> None:
    kubeflow.faults["GET /healthz"] = [Fault(302, location=f"{kubeflow.url}/login")]
    with pytest.raises(KubeflowError, match="redirects to a login page"):
        connect(Connection(host=kubeflow.url))
    assert kubeflow.requests == ["GET /healthz"]
