"""Single files of a workspace's storage, read and written by the real storage client."""

import pytest
from azure.ai.ml.entities import AzureFileDatastore
from azure.core.exceptions import AzureError, ResourceNotFoundError

from blob_container import ACCOUNT_KEY, SIGNATURE, SIGNED_BY, contain, refused
from kfp_azureml.azureml import retries
from kfp_azureml.azureml.azure_errors import azure_errors
from kfp_azureml.azureml.blobs import container_of, read_asset_file
from kfp_azureml.azureml.build_log import read_build_log
from kfp_azureml.azureml.upload import upload_files
from kfp_azureml.runtime import redaction
from kfp_azureml.runtime.errors import CredentialsError

LOCAL = "azureml://datastores/store/paths/LocalUpload/abc/model"
LONG = (
    "azureml://subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/ws"
    "/datastores/store/paths/LocalUpload/abc/model"
)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def storage(monkeypatch):
    return contain(monkeypatch)


@pytest.mark.parametrize("path", [LOCAL, LONG, f"{LOCAL}/"])
@pytest.mark.parametrize("signed_by", SIGNED_BY)
def test_a_file_of_an_asset_is_read_however_its_store_is_signed(storage, path, signed_by):
    container, client = storage
    client.datastores.signed_by = signed_by
    container.blobs["LocalUpload/abc/model/sample.json"] = b'{"images": []}'
    assert read_asset_file(client, path, "sample.json") == b'{"images": []}'
    assert client.datastores.asked == ["store"]
    assert container.signed == {signed_by}


def test_a_file_that_is_not_there_is_none(storage):
    assert read_asset_file(storage[1], LOCAL, "sample.json") is None


@pytest.mark.parametrize("path", ["https://host/model", "azureml://jobs/j/outputs/model", "azureml:model:1", ""])
def test_what_lies_elsewhere_is_not_looked_for(storage, path):
    container, client = storage
    assert read_asset_file(client, path, "sample.json") is None
    assert (client.datastores.asked, container.asked) == ([], [])


def test_a_refusal_of_the_storage_says_which_role_is_missing(storage):
    container, client = storage
    container.failing = lambda _asked: refused()
    with pytest.raises(CredentialsError, match="'Storage Blob Data Contributor'"), azure_errors("reading it"):
        read_asset_file(client, LOCAL, "sample.json")


def test_a_failure_of_the_moment_is_tried_again(storage):
    container, client = storage
    container.blobs["LocalUpload/abc/model/sample.json"] = b"{}"
    client.datastores.failing = [503]
    answers = [refused(503, "ServerBusy"), refused(500, "InternalError")]
    container.failing = lambda _asked: answers.pop() if answers else None
    assert read_asset_file(client, LOCAL, "sample.json") == b"{}"


def test_another_kind_of_store_is_refused():
    files = AzureFileDatastore(name="files", account_name="a", file_share_name="f")
    with pytest.raises(ResourceNotFoundError, match="datastore files is not a blob container"), container_of(files):
        pass


@pytest.mark.parametrize(("signed_by", "secret"), [("key", ACCOUNT_KEY), ("signature", SIGNATURE)])
def test_what_a_store_is_signed_with_is_hidden_from_every_log(storage, monkeypatch, signed_by, secret):
    monkeypatch.setattr(redaction, "_secrets", set())
    _, client = storage
    client.datastores.signed_by = signed_by
    read_asset_file(client, LOCAL, "sample.json")
    credentials = SIGNED_BY[signed_by]
    text = credentials.account_key if signed_by == "key" else credentials.sas_token
    assert secret not in redaction.redact(f"x{text}y", {})


# The log of an image's build.


def test_the_end_of_the_newest_log_is_shown(storage):
    container, client = storage
    log = "".join(f"line {number}\n" for number in range(20_000))
    container.blobs = {
        "ImageLogs/a/build.log": b"old",
        "ImageLogs/b/build.log": log.encode(),
        "ImageLogs/b/other.txt": b"newer, but no log",
        "Other/build.log": b"newer, but elsewhere",
    }
    container.written = {"ImageLogs/b/build.log": 2, "ImageLogs/b/other.txt": 3, "Other/build.log": 3}
    assert read_build_log(client, 3).splitlines() == ["line 19997", "line 19998", "line 19999"]
    assert client.datastores.asked == ["workspaceartifactstore"]
    # Of a log of any length only the end is fetched.
    assert len(read_build_log(client, 20_000)) <= 64 * 1024


@pytest.mark.parametrize(
    ("content", "lines", "shown"),
    [
        (b"", 5, ""),
        (b"one", 5, "one"),
        (b"one\ntwo\n", 1, "two"),
        (b"one\r\ntwo\r\n", 5, "one\ntwo"),
        (b"\xff broken", 5, "\N{REPLACEMENT CHARACTER} broken"),
    ],
)
def test_a_short_log_is_shown_as_it_is(storage, content, lines, shown):
    container, client = storage
    container.blobs = {"ImageLogs/a/build.log": content}
    assert read_build_log(client, lines) == shown


def test_without_a_log_there_is_nothing_to_show(storage):
    container, client = storage
    container.blobs = {"ImageLogs/readme": b"no log"}
    assert read_build_log(client, 5) == ""


def test_a_log_that_may_not_be_read_is_no_error_but_said(storage, caplog):
    container, client = storage
    container.failing = lambda _asked: refused()
    assert read_build_log(client, 5) == ""
    assert "the build log cannot be read (HttpResponseError)" in caplog.text
    client.datastores.failing = [404]
    assert read_build_log(client, 5) == ""


# Uploading.


@pytest.fixture
def files(tmp_path):
    contents = {"model.onnx": b"m" * 1000, "model.json": b"{}", "deeper/empty": b""}
    for name, content in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in contents}


@pytest.mark.parametrize("signed_by", SIGNED_BY)
def test_a_folder_is_uploaded_once(storage, files, signed_by):
    container, client = storage
    client.datastores.signed_by = signed_by
    address = "azureml://datastores/workspaceblobstore/paths/kfp-azureml/hash/model"
    for _ in range(2):
        assert upload_files(client, files, "kfp-azureml/hash/model") == address
    assert container.blobs == {f"kfp-azureml/hash/model/{name}": path.read_bytes() for name, path in files.items()}
    assert sorted(container.uploads) == [f"kfp-azureml/hash/model/{name}" for name in sorted(files)]
    assert container.signed == {signed_by}


def test_only_what_is_missing_or_cut_is_uploaded(storage, files):
    container, client = storage
    container.blobs = {"f/model.json": b"{}", "f/model.onnx": b"cut", "f-other/deeper/empty": b""}
    upload_files(client, files, "f")
    assert sorted(container.uploads) == ["f/deeper/empty", "f/model.onnx"]
    assert container.blobs["f/model.onnx"] == b"m" * 1000


def test_a_failed_upload_is_sent_again_whole(storage, files):
    container, client = storage
    failures = [refused(503, "ServerBusy") for _ in range(8)]
    container.failing = lambda asked: failures.pop() if failures and asked.startswith("PUT") else None
    upload_files(client, files, "f")
    assert container.blobs["f/model.onnx"] == b"m" * 1000


def test_an_upload_that_is_refused_is_an_error(storage, files):
    container, client = storage
    container.failing = lambda asked: refused() if asked == "PUT f/model.onnx" else None
    with pytest.raises(AzureError, match="what the storage says"):
        upload_files(client, files, "f")
    assert "f/model.onnx" not in container.blobs
