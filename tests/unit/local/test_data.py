"""Where a local run's images come from; the network and apt are the borders that are replaced."""

import gzip
import hashlib
import subprocess
import sys
import urllib.request
from email.message import Message
from pathlib import Path
from urllib.response import addinfourl

import fsspec
import pytest

from kfp_azureml.local import data as module
from kfp_azureml.runtime.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KFP_AZUREML_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refuse(*args: object, **kwargs: object) -> None:
    raise OSError("no network here")


def serve(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer downloads from a folder, and have no apt."""

    def urlopen(address: str, timeout: float) -> addinfourl:
        return addinfourl((folder / address.rsplit("/", 1)[1]).open("rb"), Message(), address)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setattr(subprocess, "run", refuse)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name in module.SHA256:
        (folder / f"{name}.gz").write_bytes(gzip.compress(name.encode()))
    return folder


def test_no_source_at_all_is_one_line_that_says_what_was_tried(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(DataError) as failure:
        module.fashion_mnist(lambda text: None)
    for word in ("the public URL: ", "Debian's package: no network here", "--data"):
        assert word in str(failure.value)
    assert not cache.exists()


def test_altered_data_is_refused_and_not_cached(monkeypatch: pytest.MonkeyPatch, source: Path, cache: Path) -> None:
    serve(source, monkeypatch)
    with pytest.raises(DataError, match="sha256"):
        module.fashion_mnist(lambda text: None)
    assert list(cache.iterdir()) == []


def test_what_is_no_gzip_file_is_not_the_last_word(monkeypatch: pytest.MonkeyPatch, source: Path, cache: Path) -> None:
    for path in source.iterdir():
        path.write_text("<html>please sign in to this hotel's network</html>")
    serve(source, monkeypatch)
    with pytest.raises(DataError, match="Debian's package: no network here"):
        module.fashion_mnist(lambda text: None)


@pytest.fixture
def names_as_content(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take files that hold their own names for the real ones."""
    contents = {name: hashlib.sha256(name.encode()).hexdigest() for name in module.SHA256}
    monkeypatch.setattr(module, "SHA256", contents)


@pytest.mark.usefixtures("names_as_content")
def test_what_was_fetched_once_is_not_fetched_again(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    serve(source, monkeypatch)
    first = module.fashion_mnist(lambda text: None)
    assert sorted(path.name for path in first.iterdir()) == sorted(module.SHA256)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert module.fashion_mnist(lambda text: None) == first


@pytest.mark.usefixtures("names_as_content")
def test_a_cache_that_another_run_filled_meanwhile_is_used(
    monkeypatch: pytest.MonkeyPatch, source: Path, cache: Path
) -> None:
    serve(source, monkeypatch)
    (cache / "fashion-mnist").mkdir(parents=True)
    for name in module.SHA256:
        (cache / "fashion-mnist" / name).write_text("theirs")
    module._keep(source, cache / "fashion-mnist")
    assert {path.read_text() for path in cache.rglob("*") if path.is_file()} == {"theirs"}


@pytest.mark.usefixtures("names_as_content")
def test_an_empty_cache_is_filled(monkeypatch: pytest.MonkeyPatch, source: Path, cache: Path) -> None:
    serve(source, monkeypatch)
    (cache / "fashion-mnist").mkdir(parents=True)
    assert len(list(module.fashion_mnist(lambda text: None).iterdir())) == 4


def test_a_local_folder_is_used_where_it_is(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert module.on_this_machine("source", tmp_path / "copy", False, lambda text: None) == source
    with pytest.raises(DataError, match="nowhere: no such folder"):
        module.on_this_machine("nowhere", tmp_path / "copy", False, lambda text: None)


def test_remote_images_are_copied_before_the_steps_start(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in module.SHA256:
        (source / f"{name}.gz").rename(source / name)
    serve(source, monkeypatch)
    copy = module.on_this_machine("https://example.com/images", tmp_path / "copy", False, lambda text: None)
    assert sorted(path.name for path in copy.iterdir()) == sorted(module.SHA256)


def test_a_name_in_azure_ml_needs_a_real_workspace(tmp_path):
    command = [str(Path(sys.executable).with_name("kfp-azureml")), "run", "--data", "azureml:flowers:1"]
    done = subprocess.run([*command, "--runs", str(tmp_path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "kfp-azureml: azureml:flowers:1: Azure ML data references need your own workspace: add --azure\n"
    )


def test_a_local_file_is_used_where_it_is(tmp_path: Path, source: Path) -> None:
    (source / "photos.zip").write_bytes(b"any")
    for address in (str(source / "photos.zip"), (source / "photos.zip").as_uri()):
        assert module.on_this_machine(address, tmp_path / "copy", False, lambda text: None) == source / "photos.zip"


def test_a_remote_archive_is_copied(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source / "photos.zip").write_bytes(b"any")
    serve(source, monkeypatch)
    address = "https://example.com/photos.zip"
    copy = module.on_this_machine(address, tmp_path / "copy", False, lambda text: None)
    assert copy == tmp_path / "copy" / "photos.zip"
    assert copy.read_bytes() == b"any"


def test_remote_class_folders_and_tables_are_copied_with_all_files(tmp_path: Path) -> None:
    names = {"cat/1.png", "cat/more/2.png", "dog/3.png", "images.csv"}
    for name in names:
        fsspec.filesystem("memory").pipe(f"/pets/{name}", name.encode())
    for number, (file, expected) in enumerate((("", tmp_path / "0"), ("/images.csv", tmp_path / "1" / "images.csv"))):
        copy = module.on_this_machine(f"memory://pets{file}", tmp_path / str(number), False, lambda text: None)
        assert copy == expected
        for name in names:
            assert (tmp_path / str(number) / name).read_text() == name


def test_weights_that_are_not_here_are_named_before_a_step_runs(tmp_path: Path) -> None:
    (tmp_path / "w.h5").touch()
    found = module.weights_on_this_machine(str(tmp_path / "w.h5"), tmp_path / "copy", False, lambda text: None)
    assert found == tmp_path / "w.h5"
    with pytest.raises(DataError, match=r"^initial_weights: .*gone\.h5: no such file$"):
        module.weights_on_this_machine(str(tmp_path / "gone.h5"), tmp_path / "copy", False, lambda text: None)
    with pytest.raises(DataError, match=r"^initial_weights: .*: not a file$"):
        module.weights_on_this_machine(str(tmp_path), tmp_path / "copy", False, lambda text: None)
