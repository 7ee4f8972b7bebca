"""The files that `run --keep` leaves beside the endpoint."""

import base64
import stat
import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from kfp_azureml.local.live_check import CURL_FILE, _write_curl_files

SAMPLE = {"images": [base64.b64encode(bytes(16)).decode()], "shape": [4, 4, 1]}


@pytest.fixture
def proxy(monkeypatch):
    """Stands for the run's proxy; yields the headers of requests."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(self.headers)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.server_port}")
    yield seen
    server.shutdown()
    server.server_close()


def test_a_key_is_one_value_whatever_is_in_it(tmp_path, monkeypatch, proxy):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / 'ca "1"\\x.pem'))
    key = f'a\\b"c"\noutput = "{tmp_path}/stolen"'.replace("\n", " ")
    _write_curl_files(tmp_path, SAMPLE, "http://endpoint.test/score", key)
    assert stat.S_IMODE((tmp_path / CURL_FILE).stat().st_mode) == 0o600
    command = ("curl", "--silent", "--config", tmp_path / CURL_FILE, "--data-binary", f"@{tmp_path}/sample.png")
    subprocess.run(command, check=True, timeout=60)
    assert proxy[0]["Authorization"] == f"Bearer {key}"


def test_a_line_end_begins_no_option(tmp_path, monkeypatch, proxy):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path))
    _write_curl_files(tmp_path, SAMPLE, "http://endpoint.test/score", f'key"\noutput = "{tmp_path}/stolen')
    assert len((tmp_path / CURL_FILE).read_text().splitlines()) == 4


def test_a_file_that_is_there_is_not_given_the_key(tmp_path, monkeypatch, proxy):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path))
    (tmp_path / "elsewhere").touch()
    (tmp_path / CURL_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        _write_curl_files(tmp_path, SAMPLE, "http://endpoint.test/score", "key")
    assert not (tmp_path / "elsewhere").read_bytes()
