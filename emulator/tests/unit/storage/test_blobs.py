from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.machine.certificates import Certificates
from azureml_emulator.storage.azurite import StorageAccount
from azureml_emulator.storage.blobs import DATASTORES, Blobs


class FakeContainers:
    """Just enough of a BlobServiceClient: each blob's content is its name."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def get_container_client(self, _container: str) -> FakeContainers:
        return self

    def list_blob_names(self, name_starts_with: str) -> list[str]:
        return [name for name in self.names if name.startswith(name_starts_with)]

    def download_blob(self, name: str) -> FakeDownload:
        return FakeDownload(name.encode())


class FakeDownload:
    """A blob with its name as content; that of a folder's marker is empty."""

    def __init__(self, content: bytes) -> None:
        self.content = b"" if content.endswith((b"/", b"marker")) else content
        self.size = len(self.content)

    def readinto(self, file: BytesIO) -> None:
        file.write(self.content)


def blobs_with(*names: str) -> Blobs:
    nowhere = Path("nowhere")
    certificates = Certificates(nowhere, nowhere, nowhere, nowhere)
    containers = {**DATASTORES, "mine": "another"}
    blobs = Blobs(StorageAccount("account", "a2V5", 1), certificates, containers.get)
    blobs.__dict__["_client"] = FakeContainers(list(names))
    return blobs


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("azureml://datastores/workspaceblobstore/paths/a/b/", ("azureml-blobstore", "a/b")),
        (
            "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/workspaceblobstore/paths/a",
            ("azureml-blobstore", "a"),
        ),
        (
            "azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.a/",
            ("azureml", "ExperimentRun/dcid.a"),
        ),
        ("azureml://datastores/mine/paths/a", ("another", "a")),
        ("azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.a", ("azureml", "ExperimentRun/dcid.a")),
        ("https://account.blob.core.windows.net/code-1/a%20b", ("code-1", "a b")),
        ("https://account.blob.core.windows.net/code-1", ("code-1", "")),
    ],
)
def test_uris_of_the_workspaces_blob_store(uri: str, place: tuple[str, str]) -> None:
    assert blobs_with().locate(uri) == place


@pytest.mark.parametrize(
    "uri",
    [
        "https://other.blob.core.windows.net/a/b",
        "http://account.blob.core.windows.net/a/b",
        "azureml://jobs/x/outputs/o",
        "file:///etc/passwd",
        "/etc/passwd",
        "",
    ],
)
def test_other_uris_are_refused(uri: str) -> None:
    with pytest.raises(ArmError, match="cannot read"):
        blobs_with().locate(uri)


@pytest.mark.anyio
async def test_a_folder_comes_under_its_own_name_without_its_neighbours(tmp_path: Path) -> None:
    blobs = blobs_with("up/model/a.txt", "up/model/deep/b.txt", "up/model2/c.txt", "up/model.json")

    copy = await blobs.download("azureml://datastores/workspaceblobstore/paths/up/model", tmp_path)

    assert copy == tmp_path / "model"
    assert files(tmp_path) == {"model/a.txt": "up/model/a.txt", "model/deep/b.txt": "up/model/deep/b.txt"}


@pytest.mark.anyio
async def test_a_single_blob_is_a_file(tmp_path: Path) -> None:
    copy = await blobs_with("up/model.onnx").download(
        "azureml://datastores/workspaceblobstore/paths/up/model.onnx", tmp_path
    )

    assert copy.read_text() == "up/model.onnx"


@pytest.mark.anyio
async def test_a_whole_container_is_delivered(tmp_path: Path) -> None:
    copy = await blobs_with("score.py", "lib/a.py").download("https://account.blob.core.windows.net/code", tmp_path)

    assert copy == tmp_path
    assert set(files(copy)) == {"score.py", "lib/a.py"}


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["up/../../evil", "up//../../evil", "up/a/../../evil"])
async def test_no_blob_is_written_outside(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArmError, match="leads outside"):
        await blobs_with(name).download("azureml://datastores/workspaceblobstore/paths/up", tmp_path / "in")

    assert files(tmp_path) == {}


@pytest.mark.anyio
async def test_markers_of_folders_are_no_files(tmp_path: Path) -> None:
    blobs = blobs_with("up/", "up/marker", "up/marker/", "up/marker/a.txt", "up/empty/")

    copy = await blobs.download("azureml://datastores/workspaceblobstore/paths/up", tmp_path)

    assert files(copy) == {"marker/a.txt": "up/marker/a.txt"}
    assert (copy / "empty").is_dir()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["up/a", "up/a/b"], "The blobs 'up/a' and 'up/a/...' cannot be copied to one folder."),
        (["up//a", "up/a"], "The blobs 'up/a' and 'up//a' cannot be copied to one folder."),
        ([f"up/{'a' * 300}"], "File name too long."),
        (["up/a\0b"], "The blob name 'up/a\\x00b' cannot be that of a file."),
    ],
)
async def test_blobs_that_cannot_be_files_are_an_error_in_one_line(tmp_path: Path, names: list[str], said: str) -> None:
    with pytest.raises(ArmError) as caught:
        await blobs_with(*names).download("azureml://datastores/workspaceblobstore/paths/up", tmp_path)

    assert caught.value.message.endswith(said)
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("uri", ["", "../x/y", "%2e%2e/x", "A/x", "a%0ab/x"])
def test_a_container_has_a_name(uri: str) -> None:
    with pytest.raises(ArmError, match="no name of a container"):
        blobs_with().locate(f"https://account.blob.core.windows.net/{uri}")


@pytest.mark.anyio
async def test_no_path_points_out_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ArmError, match="leads outside"):
        await blobs_with("up/..").download("azureml://datastores/workspaceblobstore/paths/up/..", tmp_path / "in")


@pytest.mark.anyio
async def test_a_missing_blob_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ArmError, match="No blob at 'up'"):
        await blobs_with("other").download("azureml://datastores/workspaceblobstore/paths/up", tmp_path)
