from __future__ import annotations

import contextlib
import gzip
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from azureml_emulator.jobs import web_data
from azureml_emulator.machine.certificates import make_certificates
from azureml_emulator.settings import Settings
from emulator_app import App
from job_requests import Document, log, run, submit

pytestmark = pytest.mark.anyio


MIB = 1 << 20
ZIPPED = gzip.compress(bytes(64 * MIB))
PAGES = {
    "/moved": (302, {"Location": "/a.csv"}, b""),
    "/forever": (302, {"Location": "/forever"}, b""),
    "/to-http": (302, {"Location": "http://127.0.0.1:1/a.csv"}, b""),
    "/to-storage": (307, {"Location": "https://ACCOUNT.blob.core.windows.net./box/a.csv"}, b""),
    "/to-file": (302, {"Location": "file:///etc/passwd"}, b""),
    "/to-nowhere": (302, {"Location": "http://[::1/"}, b""),
    "/to-escape": (302, {"Location": "http://127.0.0.1:1/\x1b[2J"}, b""),
    "/half.bin": (200, {"Content-Length": "100"}, b"1,2\n"),
    "/announced.bin": (200, {"Content-Length": str(1 << 40)}, b""),
    "/zipped-a.csv": (200, {"Content-Encoding": "gzip"}, gzip.compress(b"1,2\n")),
    "/zip-bomb.bin": (200, {"Content-Encoding": "gzip"}, ZIPPED),
    "/zipped-twice.bin": (200, {"Content-Encoding": "gzip, gzip"}, gzip.compress(ZIPPED)),
    "/no-zip.bin": (200, {"Content-Encoding": "gzip"}, b"1,2\n"),
    "/half-zip.bin": (200, {"Content-Encoding": "gzip"}, gzip.compress(b"1,2\n")[:-9]),
    "/big.bin": (200, {}, bytes(MIB)),
}


class Pages(BaseHTTPRequestHandler):
    """PAGES; `a.csv` in any folder; `/endless` and `/slow` never end; anything else is missing."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path in ("/endless", "/slow"):
            self.send_response(200)
            self.end_headers()
            for _ in range(200):
                self.wfile.write(bytes(MIB) if path == "/endless" else b"x")
                time.sleep(0 if path == "/endless" else 0.05)
            return
        found = (200, {}, b"1,2\n") if path.endswith(("/a.csv", ")a.csv")) else (404, {}, b"")
        status, headers, content = PAGES.get(path, found)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        """Serve until the client has had enough."""
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def serving(server: HTTPServer, scheme: str) -> Iterator[str]:
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"{scheme}://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "*")
    with serving(HTTPServer(("127.0.0.1", 0), Pages), "http") as address:
        yield address


@pytest.fixture
def tls_site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    files = make_certificates(tmp_path / "certificates", "eastus")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("SSL_CERT_FILE", str(files.authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.chain, files.key)
    server = HTTPServer(("127.0.0.1", 0), Pages)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with serving(server, "https") as address:
        yield address


@pytest.fixture
def small(app: App, settings: Settings) -> None:
    """Let a job download 1.5 MiB."""
    limited = replace(settings, web_input_gib=1.5 / 1024)
    app.context.jobs.context = replace(app.context.jobs.context, settings=limited)


async def read(app: App, address: str, kind: str = "uri_file", command: str = "cat ${{inputs.d}}") -> Document:
    return await run(app, "job1", command=command, inputs={"d": {"jobInputType": kind, "uri": address}})


@pytest.mark.parametrize(
    "path", ["/a.csv", "/a.csv?sv=1&sig=secret", "/moved", "/sub%20folder/$(x)a.csv", "/zipped-a.csv"]
)
async def test_a_file_at_a_web_address_is_downloaded(app: App, site: str, path: str) -> None:
    ended = await read(app, f"{site}{path}")

    assert (ended["status"], log(app, "job1")) == ("Completed", "1,2\n")


async def test_a_data_asset_may_be_at_a_web_address(app: App, site: str) -> None:
    asset = {"dataUri": f"{site}/a.csv", "dataType": "uri_file"}
    data = (await app.arm.put("data/d/versions/1", json={"properties": asset})).json()["id"]

    await read(app, data)

    assert log(app, "job1") == "1,2\n"


def failure(ended: Document) -> str:
    """Return the one line that says why a job failed."""
    assert ended["status"] == "Failed"
    message: str = ended["error"]["error"]["message"]
    assert message.isprintable()
    assert "--local-data" in message
    assert len(message) < 1000
    return message


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/none.csv?sig=secret", "HTTP status 404"),
        ("/forever", "more than 5 redirects"),
        ("/to-storage", "redirected to https://account.blob.core.windows.net./box/a.csv, which is no web address"),
        ("/to-file", "redirected to file://127.0.0.1/etc/passwd, which is no web address"),
        ("/to-nowhere", "Invalid"),
        ("/to-escape", "Invalid"),
        ("/half.bin", "closed connection"),
        (
            "/announced.bin",
            "a job can download 0.00146484 GiB, its inputs are larger; --web-input-gib raises the limit",
        ),
        ("/zip-bomb.bin", "its inputs are larger"),
        ("/zipped-twice.bin", "its content is encoded as 'gzip, gzip'"),
        ("/no-zip.bin", "incorrect header"),
        ("/half-zip.bin", "ends too early"),
        ("/endless", "its inputs are larger"),
        ("/\x1b]0;title\x07\u202e.csv", "Invalid"),
    ],
)
@pytest.mark.usefixtures("small")
async def test_a_failed_download_fails_the_job_in_one_line(app: App, site: str, path: str, said: str) -> None:
    message = failure(await read(app, f"{site}{path}"))

    assert said in message
    assert message.startswith("http://127.0.0.1")
    assert "secret" not in message


@pytest.mark.usefixtures("small")
async def test_the_size_is_limited_for_all_inputs_of_a_job_together(app: App, site: str) -> None:
    inputs = {name: {"jobInputType": "uri_file", "uri": f"{site}/big.bin"} for name in ("one", "two")}

    assert "its inputs are larger" in failure(await run(app, "job1", command="true", inputs=inputs))
    del inputs["two"]
    assert (await run(app, "job2", command="true", inputs=inputs))["status"] == "Completed"


async def test_a_download_that_never_ends_fails_in_time(app: App, site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_data, "TOTAL_SECONDS", 0.5)

    assert "it took longer than 0.5 s" in failure(await read(app, f"{site}/slow"))


async def test_no_redirect_leaves_https(app: App, tls_site: str) -> None:
    ended = await read(app, f"{tls_site}/moved")
    assert (ended["status"], log(app, "job1")) == ("Completed", "1,2\n")

    inputs = {"d": {"jobInputType": "uri_file", "uri": f"{tls_site}/to-http"}}
    message = failure(await run(app, "job2", command="true", inputs=inputs))
    assert "it is redirected to http://127.0.0.1:1/a.csv, which is not https" in message


@pytest.mark.parametrize("host", ["account.blob.core.windows.net", "ACCOUNT.blob.core.windows.net."])
async def test_the_storage_of_the_workspace_is_no_web_address(app: App, host: str) -> None:
    assert not web_data.is_web_address(f"https://{host}/box/a.csv", "account")
    assert app.blobs.locate(f"https://{host}/box/a.csv") == ("box", "a.csv")


async def test_no_host_is_one_line_too(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")

    ended = await read(app, "https://127.0.0.1:1/demo/a.csv")

    assert "could not be downloaded" in ended["error"]["error"]["message"]


async def test_local_data_replaces_an_address(app: App, settings: Settings, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.mkdir()
    (local / "a.csv").write_text("here\n")
    places = {"https://example.com/demo": local, "https://example.com/demo/a.csv": local / "a.csv"}
    context = replace(app.context.jobs.context, settings=replace(settings, local_data=places))
    app.context.jobs.context = context

    await read(app, "https://example.com/demo/a.csv?sig=secret")
    first = log(app, "job1")
    inputs = {"d": {"jobInputType": "uri_folder", "uri": "https://example.com/demo/"}}
    await run(app, "job2", command="cat ${{inputs.d}}/a.csv", inputs=inputs)

    assert (first, log(app, "job2")) == ("here\n", "here\n")


async def test_a_folder_cannot_be_downloaded(app: App, site: str) -> None:
    ended = await read(app, f"{site}/folder/", "uri_folder")

    assert "no folders" in ended["error"]["error"]["message"]


async def test_a_model_cannot_be_at_a_web_address(app: App) -> None:
    model = {"modelUri": "https://example.com/model.pkl"}
    model_id = (await app.arm.put("models/m/versions/1", json={"properties": model})).json()["id"]

    answer = await submit(app, "job1", command="true", inputs={"m": {"jobInputType": "custom_model", "uri": model_id}})

    assert answer.status_code == 400
