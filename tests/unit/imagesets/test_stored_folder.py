"""A folder on a mounted path or in an object store."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from kfp_azureml.imagesets.stored_folder import StoredFolder
from kfp_azureml.runtime.errors import CredentialsError, OutputError


@pytest.fixture(params=["folder", "file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> StoredFolder:
    places = {"folder": f"{tmp_path}/a/", "file": f"file://{tmp_path}/a", "memory": f"memory://{uuid4().hex}/a/"}
    return StoredFolder(places[str(request.param)])


def test_files_are_written_listed_read_and_deleted(folder: StoredFolder) -> None:
    assert folder.list_files() == []
    folder.write("b", b"1")
    folder.write("a", b"2")
    folder.write("b", b"3")
    assert folder.list_files() == ["a", "b"]
    assert folder.read("b") == b"3"
    folder.delete("b")
    folder.delete("b")
    assert folder.list_files() == ["a"]


def test_a_folder_is_copied_there_and_back(folder: StoredFolder, tmp_path: Path) -> None:
    here, back = tmp_path / "here", tmp_path / "back"
    (here / "inner").mkdir(parents=True)
    (here / "inner" / "x").write_text("1")
    (here / "y").write_text("2")
    folder.upload(here)
    folder.download(back)
    assert {str(path.relative_to(back)): path.read_text() for path in back.rglob("*") if path.is_file()} == {
        "inner/x": "1",
        "y": "2",
    }


def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """Object stores allow any name."""
    import fsspec

    name = uuid4().hex
    # The driver would normalize the name.
    fsspec.filesystem("memory").store[f"/{name}/a/../../../evil"] = fsspec.filesystem("memory").open(
        f"memory://{name}/x", "wb"
    )
    with pytest.raises(OutputError, match="leads out of the folder"):
        StoredFolder(f"memory://{name}/a").download(tmp_path / "in" / "here")
    assert list(tmp_path.rglob("evil")) == []


def test_an_empty_folder_has_nothing_to_download(folder: StoredFolder, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no files"):
        folder.download(tmp_path / "back")


def test_a_missing_file_is_said(folder: StoredFolder) -> None:
    with pytest.raises(OutputError, match="/a/missing: cannot be read"):
        folder.read("missing")


@pytest.mark.parametrize(
    ("address", "words"),
    [("https://example.com/a?sig=secret", "web servers cannot be written to"), ("nothing://x/y", "nothing")],
)
def test_other_places_are_refused_without_secrets(address: str, words: str) -> None:
    with pytest.raises(OutputError, match=words) as caught:
        StoredFolder(address)
    assert "secret" not in str(caught.value)


def test_incomplete_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZ_TENANT_ID", "t")
    with pytest.raises(CredentialsError, match="AZ_CLIENT_ID"):
        StoredFolder("abfss://box@account.dfs.core.windows.net/a")
