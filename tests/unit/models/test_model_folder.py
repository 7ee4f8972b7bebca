"""The model folder's manifest and check record."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kfp_azureml.imagesets.preprocessing import Preprocessing
from kfp_azureml.models.model_folder import (
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
from kfp_azureml.runtime.errors import ModelError

IMAGE = Tensor("image", (None, 28, 28, 1), "uint8")
PROBABILITIES = Tensor("probabilities", (None, 10), "float32")
CROP = Preprocessing(28, 28, 1, "crop").as_json()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    (tmp_path / "model.keras").write_bytes(b"keras")
    write_manifest(tmp_path, Manifest("lean", IMAGE, PROBABILITIES, "none", ("a", "b"), {"loss": 1.0}, {"keras": "3"}))
    return tmp_path


def test_a_manifest_round_trip(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert (manifest.input, manifest.output, manifest.classes) == (IMAGE, PROBABILITIES, ("a", "b"))
    assert set(manifest.files) == {"model.onnx", "model.keras"}
    verify_files(folder, hash_files(folder), manifest.files)


def test_the_preprocessing_of_encoded_images_round_trip(folder: Path) -> None:
    assert read_manifest(folder).encoded_images is None
    wanted = Preprocessing(28, 28, 1, "crop")
    written = write_manifest(folder, replace(read_manifest(folder), encoded_images=wanted))
    assert read_manifest(folder) == written
    assert written.encoded_images == wanted


def test_a_manifest_of_an_earlier_version_is_read(folder: Path) -> None:
    manifest = json.loads((folder / "model.json").read_text())
    del manifest["encoded_images"]
    (folder / "model.json").write_text(json.dumps(manifest))
    assert read_manifest(folder).encoded_images is None


def test_an_unknown_architecture_is_read(folder: Path) -> None:
    manifest = json.loads((folder / "model.json").read_text()) | {"architecture": "seed"}  # the former name of original
    (folder / "model.json").write_text(json.dumps(manifest))
    assert read_manifest(folder).architecture == "seed"


def test_a_check_record_round_trip(folder: Path) -> None:
    check = CheckRecord(hash_files(folder), 0.9, 0.3, 100)
    write_check(folder, check)
    assert read_check(folder) == check


def test_a_modified_file_is_named(folder: Path) -> None:
    files = read_manifest(folder).files
    (folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match=r"model\.onnx"):
        verify_files(folder, hash_files(folder), files)


def test_a_missing_file_is_named(folder: Path) -> None:
    files = read_manifest(folder).files
    (folder / "model.keras").unlink()
    with pytest.raises(ModelError, match=r"model\.keras: missing"):
        verify_files(folder, hash_files(folder), files)


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as failure:
        action()
    assert "\n" not in str(failure.value)
    return str(failure.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON: it looks like an empty file"),
        ("[]", "expected a JSON object"),
        ("7", "expected a JSON object"),
        ("{}", "'architecture' is missing"),
        ("[" * 100_000, "nested too deeply"),
        ("<!DOCTYPE html><p>404", "not JSON: it looks like an HTML page"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1", "run `git lfs pull`"),
        ('{"format": "layers-model", "weightsManifest": []}', "'architecture' is missing"),
    ],
)
def test_an_invalid_manifest_is_reported_in_one_line(folder: Path, text: str, said: str) -> None:
    (folder / "model.json").write_text(text)
    message = refused(lambda: read_manifest(folder))
    assert message.startswith(f"{folder}/model.json: ")
    assert said in message


SHA = "0" * 64


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"files": ["model.onnx"]}, "'files' is a list; expected an object"),
        ({"files": {"model.onnx": SHA[:63]}}, "'files' has no sha256 for 'model.onnx'"),
        ({"files": {"model.onnx": 7}}, "'files' has no sha256 for 'model.onnx'"),
        ({"files": {"../model.onnx": SHA}}, "'../model.onnx', which is not a path in the folder"),
        ({"files": {"/etc/passwd": SHA}}, "'/etc/passwd', which is not a path in the folder"),
        ({"files": {"a/../../b": SHA}}, "which is not a path in the folder"),
        ({"files": {"": SHA}}, "'', which is not a path in the folder"),
        ({"input": 1}, "'input' is 1; expected an object"),
        ({"input": {"name": "a"}}, "'dtype' is missing"),
        (
            {"input": {"name": 7, "shape": [None, 1, 1, 1], "dtype": "uint8"}},
            "the name of 'input' is 7; expected",
        ),
        ({"input": {"name": "a", "shape": 5, "dtype": "uint8"}}, "the shape of 'input' is 5; expected 4 dimensions"),
        ({"input": {"name": "a", "shape": [None, 28, 28], "dtype": "uint8"}}, "expected 4 dimensions, the first null"),
        ({"input": {"name": "a", "shape": [1, 28, 28, 1], "dtype": "uint8"}}, "expected 4 dimensions, the first null"),
        (
            {"input": {"name": "a", "shape": [None, 28, 28, True], "dtype": "uint8"}},
            "is a boolean; expected",
        ),
        (
            {"input": {"name": "a", "shape": [None, 10**400, 1, 1], "dtype": "uint8"}},
            "is a huge number; expected",
        ),
        ({"input": {"name": "a", "shape": [None, -1, 1, 1], "dtype": "uint8"}}, "is -1; expected an integer"),
        ({"input": {"name": "a", "shape": [None, 1.5, 1, 1], "dtype": "uint8"}}, "is 1.5; expected an integer"),
        ({"input": {"name": "a", "shape": [None, 1, 1, 1], "dtype": "object"}}, "the dtype of 'input' is 'object'"),
        ({"output": {"name": "a", "shape": [None, {}], "dtype": "float32"}}, "is an object; expected an integer"),
        ({"classes": "abc"}, "'classes' is a string; expected a list of strings"),
        ({"classes": [1, 2]}, "each of 'classes' is 1; expected a string"),
        ({"classes": None}, "'classes' is null"),
        ({"metrics": {"loss": float("nan")}}, "metric 'loss' is nan; expected a number"),
        ({"metrics": {"loss": 10**400}}, "metric 'loss' is a huge number"),
        ({"metrics": []}, "'metrics' is a list"),
        ({"versions": {"keras": 3}}, "version of 'keras' is 3"),
        ({"preprocessing": ["none"]}, "'preprocessing' is a list"),
        ({"encoded_images": "pad"}, "preprocessing: expected an object with resize, one of pad, crop, stretch"),
        ({"encoded_images": {"resize": ["pad"]}}, "preprocessing: expected an object with resize"),
        ({"encoded_images": CROP | {"height": 32}}, "preprocessing: height is 32; expected 28"),
        ({"encoded_images": CROP | {"filter": "lanczos"}}, "preprocessing: filter is 'lanczos'; expected 'bilinear'"),
    ],
)
def test_an_invalid_member_of_a_manifest_is_named(folder: Path, changed: dict[str, object], said: str) -> None:
    manifest = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(manifest | changed))
    message = refused(lambda: read_manifest(folder))
    assert message.startswith(f"{folder}/model.json: invalid manifest: ")
    assert said in message


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"accuracy": float("nan")}, "'accuracy' is nan; expected a number up to 1"),
        ({"accuracy": "0.9"}, "'accuracy' is a string"),
        ({"accuracy": 90}, "'accuracy' is 90"),
        ({"loss": None}, "'loss' is null"),
        ({"images": 0}, "'images' is 0"),
        ({"files": []}, "'files' is a list"),
    ],
)
def test_an_invalid_member_of_a_check_record_is_named(folder: Path, changed: dict[str, object], said: str) -> None:
    write_check(folder, CheckRecord(hash_files(folder), 0.9, 0.3, 100))
    record = json.loads((folder / "check.json").read_text())
    (folder / "check.json").write_text(json.dumps(record | changed))
    message = refused(lambda: read_check(folder))
    assert message.startswith(f"{folder}/check.json: invalid check record: {said}")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_manifest_saved_on_windows_is_read(folder: Path, encoding: str) -> None:
    manifest = read_manifest(folder)
    text = (folder / "model.json").read_text().replace("\n", "\r\n")
    (folder / "model.json").write_bytes(text.encode(encoding))
    assert read_manifest(folder) == manifest


def test_a_git_lfs_pointer_is_reported(folder: Path) -> None:
    recorded = read_manifest(folder).files
    (folder / "model.keras").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")
    message = refused(lambda: verify_files(folder, hash_files(folder), recorded))
    assert message.startswith(f"{folder}/model.keras: not the recorded file: it looks like a Git LFS pointer")
