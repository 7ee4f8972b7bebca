"""The model folder's manifest and check record."""

from pathlib import Path

import pytest

from kfp_azureml.errors import ModelError
from kfp_azureml.model_folder import (
    CheckRecord,
    Manifest,
    Tensor,
    hash_files,
    read_check,
    read_manifest,
    verify_files,
    write_check,
    write_manifest,
)

IMAGE = Tensor("image", (None, 28, 28, 1), "uint8")
PROBABILITIES = Tensor("probabilities", (None, 10), "float32")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    (tmp_path / "model.keras").write_bytes(b"keras")
    write_manifest(tmp_path, Manifest("lean", IMAGE, PROBABILITIES, "none", ("a", "b"), {"loss": 1.0}, {"keras": "3"}))
    return tmp_path


def test_a_manifest_comes_back_as_it_was_written(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert (manifest.input, manifest.output, manifest.classes) == (IMAGE, PROBABILITIES, ("a", "b"))
    assert set(manifest.files) == {"model.onnx", "model.keras"}
    verify_files(folder, hash_files(folder), manifest.files)


def test_a_check_record_comes_back_as_it_was_written(folder: Path) -> None:
    check = CheckRecord(hash_files(folder), 0.9, 0.3, 100)
    write_check(folder, check)
    assert read_check(folder) == check


def test_an_altered_file_is_named(folder: Path) -> None:
    files = read_manifest(folder).files
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"model\.onnx"):
        verify_files(folder, hash_files(folder), files)


def test_a_missing_file_is_named(folder: Path) -> None:
    files = read_manifest(folder).files
    (folder / "model.keras").unlink()
    with pytest.raises(ModelError, match=r"model\.keras: missing"):
        verify_files(folder, hash_files(folder), files)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"input": 1}', '{"input": {"name": "a"}}'])
def test_a_manifest_that_is_none_is_one_line(folder: Path, text: str) -> None:
    (folder / "model.json").write_text(text)
    with pytest.raises(ModelError, match=r"model\.json") as failure:
        read_manifest(folder)
    assert "\n" not in str(failure.value)
