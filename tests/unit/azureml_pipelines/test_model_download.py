"""Downloading a registered model: its files have to be those that were registered."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from kfp_azureml.azureml.content_hash import content_hash
from kfp_azureml.azureml.property_names import CONTENT_PROPERTY
from kfp_azureml.azureml_pipelines.model_download import download_model
from kfp_azureml.models.model_folder import SAMPLE_FILE, hash_files
from kfp_azureml.runtime.errors import ModelError, OutputError


def client_of(model: Path, properties: dict[str, str] | None) -> SimpleNamespace:
    """A double of the SDK's client, which keeps the name of the folder that was uploaded."""

    def download(name: str, version: str, *, download_path: str) -> None:
        assert version == "3"
        # On the file system where it is to be: from another it would be copied, and half of it may be left.
        assert Path(download_path).parent.name == "to"
        shutil.copytree(model, Path(download_path, name, "model"))

    registered = SimpleNamespace(properties=properties)
    return SimpleNamespace(models=SimpleNamespace(get=lambda _name, _version: registered, download=download))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "trained"
    (folder / "sub").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"weights")
    (folder / "sub" / "more").write_bytes(b"more")
    return folder


@pytest.mark.parametrize("with_sample", [False, True])
def test_all_files_come_and_are_checked(model: Path, tmp_path: Path, with_sample: bool) -> None:
    properties = {CONTENT_PROPERTY: content_hash(hash_files(model))}
    if with_sample:  # which registering puts beside the model
        (model / SAMPLE_FILE).write_text("{}")
    done = download_model(client_of(model, properties), "flowers", "3", tmp_path / "to")
    assert done.folder == tmp_path / "to" / "flowers"
    assert (done.files, done.checked) == (3 if with_sample else 2, True)
    assert hash_files(done.folder) == hash_files(model)


@pytest.mark.parametrize("change", ["alter", "remove", "add"])
def test_other_files_are_refused_and_none_are_left(model: Path, tmp_path: Path, change: str) -> None:
    properties = {CONTENT_PROPERTY: content_hash(hash_files(model))}
    if change == "remove":
        (model / "sub" / "more").unlink()
    else:
        (model / ("model.onnx" if change == "alter" else "another")).write_bytes(b"other")
    with pytest.raises(ModelError, match=r"^model flowers, version 3: the files differ from the registered ones"):
        download_model(client_of(model, properties), "flowers", "3", tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())


@pytest.mark.parametrize("properties", [None, {}])
def test_a_model_that_was_registered_without_a_hash_is_not_checked(
    model: Path, tmp_path: Path, properties: dict[str, str] | None
) -> None:
    assert not download_model(client_of(model, properties), "flowers", "3", tmp_path / "to").checked


def test_a_folder_that_is_there_is_left_alone(model: Path, tmp_path: Path) -> None:
    (tmp_path / "flowers").mkdir()
    with pytest.raises(OutputError, match="flowers exists: remove it or set another folder with --to"):
        download_model(client_of(model, None), "flowers", "3", tmp_path)
