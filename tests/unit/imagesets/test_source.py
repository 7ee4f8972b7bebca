"""Open files in a folder, on a web server and in an object store; errors are one line."""

import functools
import shutil
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import fsspec
import pytest

from clock import Clock
from http_double import Response, serving
from kfp_azureml.imagesets import source
from kfp_azureml.imagesets.idx import file_names
from kfp_azureml.imagesets.source import abfss_uri, open_source
from kfp_azureml.runtime.errors import CredentialsError, DataError

NAMES = ("images", "images.gz")
CONTENT = bytes(range(256)) * 20_000
AZ_KEYS = ("AZ_TENANT_ID", "AZ_CLIENT_ID", "AZ_CLIENT_SECRET")


@contextmanager
def web_server(handler):
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def answering(status, announced=None):
    """A request handler that returns the requested path."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.path.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(announced or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    return Answer


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Do not sleep between attempts."""
    return Clock().pass_in(monkeypatch, source)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(params=["path", "file", "http", "http with a space", "memory"])
def served(request, tmp_path):
    """A function that writes a file, the folder's URI, and its name in messages."""
    folder = tmp_path / "my data"
    folder.mkdir()

    def write(name, content):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    match request.param:
        case "path":
            yield write, str(folder), str(folder)
        case "file":
            yield write, folder.as_uri(), str(folder)
        case "http":
            with web_server(functools.partial(QuietFiles, directory=tmp_path)) as address:
                yield write, f"{address}/my%20data/", f"{address}/my%20data"
        case "http with a space":
            with web_server(functools.partial(QuietFiles, directory=tmp_path)) as address:
                yield write, f"{address}/my data", f"{address}/my data"
        case "memory":
            filesystem = fsspec.filesystem("memory")
            yield lambda name, content: filesystem.pipe_file(f"/set/{name}", content), "memory://set/", "memory://set"
            filesystem.store.clear()


def refused(action, kind=DataError):
    with pytest.raises(kind) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_is_read(served):
    write, uri, shown = served
    write("images", CONTENT)
    with open_source(uri).open(NAMES) as stream:
        assert stream.name == f"{shown}/images"
        assert stream.peek(2)[:2] == CONTENT[:2]
        assert stream.read(1000) == CONTENT[:1000]
        assert stream.read() == CONTENT[1000:]


def test_the_first_existing_name_is_opened(served):
    write, uri, shown = served
    write("images.gz", b"zipped")
    with open_source(uri).open(NAMES) as stream:
        assert stream.name == f"{shown}/images.gz"
        assert stream.read() == b"zipped"
    write("images", b"plain")
    with open_source(uri).open(NAMES) as stream:
        assert stream.read() == b"plain"


def test_the_error_for_a_missing_file_has_the_folder_and_the_names(served):
    _, uri, shown = served
    message = refused(lambda: open_source(uri).open(NAMES))
    assert message == f"{shown}: images not found (looked for images, images.gz)"


def test_a_missing_folder_is_rejected(tmp_path):
    assert refused(lambda: open_source(str(tmp_path / "none"))).startswith(f"{tmp_path / 'none'}: no such folder")
    (tmp_path / "file").touch()
    assert f"{tmp_path / 'file'}: not a folder" in refused(lambda: open_source(str(tmp_path / "file")))
    assert "input_data is empty" in refused(lambda: open_source(""))


def test_a_file_in_a_folder_of_its_name_is_read(served):
    """Some archives unpack so, such as Kaggle's MNIST."""
    write, uri, shown = served
    write("images/images", CONTENT)
    with open_source(uri).open(NAMES) as stream:
        assert stream.read() == CONTENT
        assert stream.name == f"{shown}/images/images"
    write("images.gz", b"beside it")
    with open_source(uri).open(NAMES) as stream:
        assert stream.name == f"{shown}/images.gz"


@pytest.mark.parametrize(
    ("there", "read"),
    [
        ("train-images.idx3-ubyte/train-images-idx3-ubyte", True),
        ("train-images-idx3-ubyte.gz/train-images-idx3-ubyte", True),
        ("train-images-idx3-ubyte/train-images.idx3-ubyte.gz", True),
        ("TRAIN-IMAGES-IDX3-UBYTE", True),
        ("Train-Images.idx3-ubyte.GZ", True),
        ("train_images_idx3_ubyte", True),
        ("TRAIN-IMAGES-IDX3-UBYTE/Train-Images-Idx3-Ubyte", True),
        ("train-images-idx3-ubyte/data", True),
        ("t10k-images-idx3-ubyte", False),
        ("train-labels-idx1-ubyte/train-images-idx3-ubyte", False),
    ],
)
@pytest.mark.parametrize("store", ["path", "memory", "zip"])
def test_other_spellings_and_folders_are_found(tmp_path, store, there, read):
    (tmp_path / "set" / there).parent.mkdir(parents=True)
    (tmp_path / "set" / there).write_bytes(b"pixels")
    uri = str(tmp_path / "set")
    if store == "memory":
        fsspec.filesystem("memory").pipe_file(f"/{tmp_path.name}/{there}", b"pixels")
        uri = f"memory://{tmp_path.name}"
    elif store == "zip":
        shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path, "set")
        uri = f"zip://set::{tmp_path / 'set.zip'}"
    source = open_source(uri)
    names = file_names("train", "images")
    if not read:
        assert f"found {there.partition('/')[0]}" in refused(lambda: source.open(names))
        return
    with source.open(names) as stream:
        assert stream.read() == b"pixels"
        assert stream.name.endswith(there)


def test_two_matching_files_are_rejected(tmp_path):
    for name in ("Images", "IMAGES"):
        (tmp_path / name).touch()
    message = refused(lambda: open_source(str(tmp_path)).open(NAMES))
    assert message == f"{tmp_path}: IMAGES, Images all match images; keep one"
    (tmp_path / "images").mkdir()
    for name in ("Images", "IMAGES"):
        (tmp_path / name).unlink()
        (tmp_path / "images" / name).touch()
    message = refused(lambda: open_source(str(tmp_path)).open(NAMES))
    assert message == f"{tmp_path}/images: IMAGES, Images all match images; keep one"


def test_a_folder_without_the_file_is_reported(served):
    write, uri, shown = served
    write("images/one.txt", b"")
    write("images/two.txt", b"")
    message = refused(lambda: open_source(uri).open(NAMES))
    assert message.startswith(f"{shown}: images not found (looked for images, images.gz); ")
    # A web server lists nothing.
    listed = "nothing" if uri.startswith("http") else "one.txt, two.txt"
    if not uri.startswith("memory"):
        assert message.endswith(f"images is a folder containing {listed}")


def test_a_broken_link_is_reported(tmp_path):
    (tmp_path / "images").symlink_to("../annex/images")
    message = refused(lambda: open_source(str(tmp_path)).open(NAMES))
    assert message == f"{tmp_path}/images: broken link to ../annex/images"


ODD = "data #1 100% ü+? x"


@pytest.mark.parametrize(
    "uri",
    [
        f"memory://top/{ODD}",
        f"memory://top/{ODD}/#",
        f"abfss://box@acc.dfs.core.windows.net/{ODD}",
        f"s3://bucket/{ODD}",
    ],
)
def test_the_address_of_an_object_is_shown_completely(driver, monkeypatch, uri):
    assert open_source(uri).uri == uri
    wasbs = f"wasbs://box@acc.blob.core.windows.net/{ODD}"
    assert open_source(wasbs).uri == f"abfss://box@acc.dfs.core.windows.net/{ODD}"
    assert driver[-1][0] == f"abfss://box@acc.dfs.core.windows.net/{ODD}"


def test_a_signature_is_redacted(driver):
    assert open_source("abfss://box@acc.dfs.core.windows.net/a #1?sv=2024&sig=secret").uri.endswith("/a #1")
    assert open_source("s3://key:secret@bucket/a #1").uri == "s3://bucket/a #1"


@pytest.mark.parametrize("escaped", [True, False])
def test_a_folder_with_special_characters_is_read_and_shown_completely(tmp_path, escaped):
    name = "data #1 100% ü+"
    (tmp_path / name).mkdir()
    (tmp_path / name / "images").write_bytes(CONTENT)
    written = quote(name) if escaped else name
    with (
        web_server(functools.partial(QuietFiles, directory=tmp_path)) as address,
        open_source(f"{address}/{written}").open(NAMES) as stream,
    ):
        assert stream.read() == CONTENT
        assert stream.name == f"{address}/{written}/images"
    for uri in (f"file://{tmp_path}/{written}", f"{tmp_path}/{name}"):
        with open_source(uri).open(NAMES) as stream:
            assert stream.read() == CONTENT
            assert stream.name == f"{tmp_path}/{name}/images"


def test_a_file_uri_may_have_a_question_mark_in_its_path(tmp_path):
    (tmp_path / ODD).mkdir()
    (tmp_path / ODD / "images").write_bytes(CONTENT)
    with open_source(f"file://localhost{tmp_path}/{ODD}").open(NAMES) as stream:
        assert stream.name == f"{tmp_path}/{ODD}/images"


def test_an_unreachable_web_server_is_reported():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/data"
        assert "Connection refused" in refused(lambda: open_source(address).open(NAMES))


@pytest.mark.parametrize(
    ("status", "reason"),
    [(500, "cannot be read: HTTP Error 500"), (403, "images not found (looked for images, images.gz): HTTP Error 403")],
)
def test_an_error_of_a_web_server_is_quoted(status, reason):
    with web_server(answering(status)) as address:
        message = refused(lambda: open_source(f"{address}/data").open(NAMES))
    assert message.startswith(f"{address}/data: ")
    assert reason in message


@pytest.mark.parametrize("bad", [Response(503, b""), Response(429, b""), None], ids=["503", "429", "no answer"])
def test_transient_errors_of_a_web_server_are_retried(clock, bad):
    answers = iter([bad, bad, Response(200, b"idx")])
    with serving(lambda _request: next(answers)) as address, open_source(address).open(["a"]) as stream:
        assert stream.read() == b"idx"
    assert clock.sleeps == [2.0, 4.0]


@pytest.mark.parametrize(("status", "asked"), [(503, 4), (400, 1)])
def test_retries_are_limited_and_permanent_errors_are_not_retried(clock, status, asked):
    requests = []
    with serving(lambda request: requests.append(request) or Response(status, b"")) as address:
        assert str(status) in refused(lambda: open_source(address).open(["a"]))
    assert len(requests) == asked


def test_a_connection_closed_early_ends_the_file():
    with web_server(answering(200, announced=100)) as address, open_source(address).open(NAMES) as stream:
        assert stream.read(100) == b"/images"


def test_the_query_of_an_address_is_sent_and_redacted():
    with (
        web_server(answering(200)) as address,
        open_source(f"{address}/data?sig=secret").open(NAMES) as stream,
    ):
        assert stream.read() == b"/data/images?sig=secret"
        assert stream.name == f"{address}/data/images"
    with web_server(answering(500)) as address:
        message = refused(lambda: open_source(f"{address}/data?sig=secret").open(NAMES))
    assert message.startswith(f"{address}/data: ")
    assert "secret" not in message


@pytest.mark.parametrize("uri", ["gopher://host/data", "http://[/", "az://container/folder"])
def test_an_invalid_address_is_rejected(uri, monkeypatch):
    for key in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_CONNECTION_STRING"):
        monkeypatch.delenv(key, raising=False)
    refused(lambda: open_source(uri))


def test_wasbs_is_converted_to_abfss():
    mapped = abfss_uri("wasbs://demo@account.blob.core.windows.net/mnist/fashion")
    assert mapped == "abfss://demo@account.dfs.core.windows.net/mnist/fashion"


@pytest.fixture
def driver(monkeypatch):
    """The arguments passed to fsspec."""
    asked = []

    def url_to_fs(uri, **options):
        asked.append((uri, options))
        return fsspec.filesystem("memory"), "/set"

    monkeypatch.setattr(fsspec, "url_to_fs", url_to_fs)
    for key in AZ_KEYS:
        monkeypatch.delenv(key, raising=False)
    return asked


ADDRESS = "abfss://demo@account.dfs.core.windows.net/set"


def test_azure_storage_is_read_anonymously_by_default(driver, monkeypatch):
    for key in AZ_KEYS:
        monkeypatch.setenv(key, "value")
    source = open_source("wasbs://demo@account.blob.core.windows.net/set/")
    assert source.uri == ADDRESS
    assert driver == [(ADDRESS, {"anon": True})]


def test_azcreds_are_used_on_request(driver, monkeypatch):
    for key in AZ_KEYS:
        monkeypatch.setenv(key, f"the {key}")
    open_source(ADDRESS, use_azure_credentials=True)
    options = {
        "tenant_id": "the AZ_TENANT_ID",
        "client_id": "the AZ_CLIENT_ID",
        "client_secret": "the AZ_CLIENT_SECRET",
    }
    assert driver == [(ADDRESS, options)]


def test_without_azcreds_the_default_chain_is_used(driver):
    open_source(ADDRESS, use_azure_credentials=True)
    assert driver == [(ADDRESS, {"anon": False})]


@pytest.mark.parametrize("missing", AZ_KEYS)
@pytest.mark.parametrize("empty", [True, False])
def test_a_missing_credential_is_named(driver, monkeypatch, missing, empty):
    for key in AZ_KEYS:
        if key != missing:
            monkeypatch.setenv(key, "secret")
        elif empty:
            monkeypatch.setenv(key, "")
    message = refused(lambda: open_source(ADDRESS, use_azure_credentials=True), CredentialsError)
    assert message.startswith(f"{missing} missing or empty")
    assert not driver


def test_azure_credentials_are_not_passed_to_other_drivers(driver, monkeypatch):
    for key in AZ_KEYS:
        monkeypatch.setenv(key, "value")
    open_source("s3://bucket/set", use_azure_credentials=True)
    assert driver == [("s3://bucket/set", {})]
