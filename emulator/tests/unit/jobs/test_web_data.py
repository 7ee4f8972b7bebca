from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from azureml_emulator.jobs import web_data
from azureml_emulator.settings import Settings
from emulator_app import App
from job_requests import Document, log, run, submit

pytestmark = pytest.mark.anyio


class Pages(BaseHTTPRequestHandler):
    """`/moved` leads to `/a.csv`; `/forever` to itself; anything else is missing."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        content = b"1,2\n" if path.endswith("a.csv") else b""
        self.send_response(200 if content else 302 if path in ("/moved", "/forever") else 404)
        if path in ("/moved", "/forever"):
            self.send_header("Location", "/a.csv" if path == "/moved" else path)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "*")
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def read(app: App, address: str, kind: str = "uri_file", command: str = "cat ${{inputs.d}}") -> Document:
    return await run(app, "job1", command=command, inputs={"d": {"jobInputType": kind, "uri": address}})


@pytest.mark.parametrize("path", ["/a.csv", "/a.csv?sv=1&sig=secret", "/moved", "/sub%20folder/$(x)a.csv"])
async def test_a_file_at_a_web_address_is_downloaded(app: App, site: str, path: str) -> None:
    ended = await read(app, f"{site}{path}")

    assert (ended["status"], log(app, "job1")) == ("Completed", "1,2\n")


async def test_a_data_asset_may_be_at_a_web_address(app: App, site: str) -> None:
    asset = {"dataUri": f"{site}/a.csv", "dataType": "uri_file"}
    data = (await app.arm.put("data/d/versions/1", json={"properties": asset})).json()["id"]

    await read(app, data)

    assert log(app, "job1") == "1,2\n"


@pytest.mark.parametrize(
    ("path", "said"), [("/none.csv?sig=secret", "HTTP status 404"), ("/forever", "redirects"), ("/big/a.csv", "larger")]
)
async def test_a_failed_download_fails_the_job_in_one_line(
    app: App, site: str, path: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path.startswith("/big"):
        monkeypatch.setattr(web_data, "MAX_BYTES", 3)

    ended = await read(app, f"{site}{path}")

    message = ended["error"]["error"]["message"]
    assert ended["status"] == "Failed"
    assert said in message
    assert message.startswith("http://127.0.0.1")
    assert "--local-data" in message
    assert "secret" not in message
    assert "\n" not in message


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
