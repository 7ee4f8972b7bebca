"""What is compared when a model is downloaded."""

import hashlib
from pathlib import Path

import pytest

from kfp_azureml.azureml.content_hash import content_hash
from kfp_azureml.azureml.model_download.model_blobs import BlobFile
from kfp_azureml.azureml.model_download.verification import DamagedFilesError, verify
from kfp_azureml.models.model_folder import MANIFEST_FILE, SAMPLE_FILE, hash_files
from kfp_azureml.runtime.errors import ModelError
from tiny_classifier import write_tiny_model


def listed(folder: Path, *, with_md5: bool = True) -> dict[str, BlobFile]:
    """Return the files as a storage lists them."""
    files = {}
    for path in folder.iterdir():
        content = path.read_bytes()
        md5 = hashlib.md5(content, usedforsecurity=False).digest() if with_md5 else b""
        files[path.name] = BlobFile(path.name, f"models/{path.name}", len(content), '"1"', md5)
    return files


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "model")


@pytest.mark.parametrize("with_sample", [False, True])
def test_every_hash_is_compared_and_said(model: Path, with_sample: bool) -> None:
    content = content_hash(hash_files(model))
    if with_sample:  # which registering puts beside the model
        (model / SAMPLE_FILE).write_text("{}")
    verified = verify("m", model, listed(model), content)
    count = 3 if with_sample else 2
    assert (verified.files, verified.md5, verified.registered, verified.manifest) == (count, count, True, 1)
    assert str(verified) == (
        f"verified: size, sha256 as registered, sha256 of 1 in model.json, MD5 of {count} in the storage"
    )


def test_a_model_without_any_hash_says_so(model: Path) -> None:
    (model / MANIFEST_FILE).write_text('{"of": "another tool"}')
    verified = verify("m", model, listed(model, with_md5=False), "")
    assert str(verified) == "size verified only: no hash is registered or stored"
    assert not verified.covers_all


def test_damaged_files_are_named(model: Path) -> None:
    files = listed(model)
    (model / "model.onnx").write_bytes(b"x" * files["model.onnx"].size)
    with pytest.raises(DamagedFilesError, match=r"m: model\.onnx damaged") as damaged:
        verify("m", model, files, "")
    assert damaged.value.names == ["model.onnx"]
    # Without an MD5 the size still counts.
    (model / "model.onnx").write_bytes(b"x")
    with pytest.raises(DamagedFilesError):
        verify("m", model, listed(model, with_md5=False) | {"model.onnx": files["model.onnx"]}, "")


def test_another_content_than_the_registered_one_is_refused(model: Path) -> None:
    content = content_hash(hash_files(model))
    (model / "another").write_bytes(b"")
    with pytest.raises(ModelError, match=r"the files differ from the registered ones \(sha256\)"):
        verify("m", model, listed(model), content)


def test_a_file_that_its_manifest_has_otherwise_is_refused(model: Path) -> None:
    (model / "model.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"model.onnx differ from the sha256 in its model.json"):
        verify("m", model, listed(model), "")
