"""What is said of a host that does not respond, and that the time it takes has a limit."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing

import pytest

from http_double import Response, serving
from kfp_azureml.azureml.checks import hosts
from kfp_azureml.azureml.checks.hosts import Reached, check_clock, check_host
from kfp_azureml.runtime.checks import State


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hosts, "REQUEST_SECONDS", (0.5, 0.5))


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and never responds."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_name_that_cannot_be_resolved() -> None:
    outcome = check_host("nowhere.invalid")
    assert (outcome.state, outcome.mend.partition(" (")[0]) == (State.FAILED, "nslookup nowhere.invalid")
    assert "cannot be resolved" in outcome.message


def test_a_host_that_never_responds(silent: str) -> None:
    outcome = check_host(silent)
    assert outcome.state is State.FAILED
    assert "within 0.5 s" in outcome.message


def test_a_refused_connection() -> None:
    assert "cannot be reached" in check_host("127.0.0.1:9").message


def test_a_proxy_that_refuses_or_asks_for_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    for status, said in ((403, "the proxy refuses the connection"), (407, "the proxy asks for a login")):
        with refusing_proxy(status) as url:
            monkeypatch.setenv("https_proxy", url)
            outcome = check_host("management.azure.com")
        assert outcome.state is State.FAILED
        assert said in outcome.message


def test_a_server_without_tls() -> None:
    with serving(lambda _: Response(200, b"")) as url:
        assert "TLS handshake failed" in check_host(url.removeprefix("http://")).message


def test_a_certificate_of_an_unknown_authority(tmp_path: object) -> None:
    import trustme

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with serving(lambda _: Response(200, b""), context) as url:
        outcome = check_host(url.removeprefix("https://"))
    assert "certificate is not trusted" in outcome.message
    assert outcome.mend.startswith("export REQUESTS_CA_BUNDLE=")


@pytest.mark.parametrize(
    ("date", "state"),
    [(None, State.OK), (1000.0, State.OK), (1290.0, State.OK), (1400.0, State.FAILED), (600.0, State.FAILED)],
)
def test_the_clock(date: float | None, state: State) -> None:
    assert check_clock(Reached(date, 1000.0)).state is state


def refusing_proxy(status: int):
    import threading
    from contextlib import contextmanager

    @contextmanager
    def running() -> Iterator[str]:
        with closing(socket.create_server(("127.0.0.1", 0))) as server:
            server.settimeout(30)

            def answer() -> None:
                for _ in range(2):
                    try:
                        connection, _address = server.accept()
                    except OSError:
                        return
                    with connection:
                        connection.recv(65536)
                        connection.sendall(f"HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\n\r\n".encode())

            thread = threading.Thread(target=answer)
            thread.start()
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()

    return running()
