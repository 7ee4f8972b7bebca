"""The model folder: written by train, read by score and the endpoint, verified by register.

    model.keras   the trained network
    model.onnx    its ONNX export
    model.json    the manifest: signature, classes, preprocessing, versions, sha256 of the files

Reading and verifying need the standard library only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from kfp_azureml.imagesets.preprocessing import Preprocessing
from kfp_azureml.models import model_json
from kfp_azureml.models.live_model import LiveComparison, comparison_from
from kfp_azureml.models.model_json import member
from kfp_azureml.runtime.errors import ModelError
from kfp_azureml.runtime.file_kinds import HEAD_BYTES, POINTERS, placeholder_kind
from kfp_azureml.runtime.folder_files import files_below
from kfp_azureml.runtime.text_files import read_user_json

KERAS_FILE = "model.keras"
ONNX_FILE = "model.onnx"
MANIFEST_FILE = "model.json"

# Of an MLflow model.
MLFLOW_FILE = "MLmodel"
MLFLOW_EXAMPLE = "input_example.json"

# Written by score for register and deploy.
CHECK_FILE = "check.json"
SAMPLE_FILE = "sample.json"

_DTYPES = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


@dataclass(frozen=True)
class Tensor:
    """An input or output of the model.

    Attributes:
        name: Name in `model.onnx`.
        shape: Dimensions; the first, the batch, is None.
        dtype: NumPy dtype, such as `uint8`.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Manifest:
    """Content of `model.json`.

    Attributes:
        architecture: Name of the architecture; any string.
        input: Images, (batch, height, width, channels); uint8 raw pixels if written by train.
        output: Probabilities, (batch, classes), float32.
        preprocessing: Preprocessing of raw pixels that callers must do; none if written by train.
        classes: Class names in the order of the output.
        metrics: Losses and accuracies of training.
        versions: Versions of Python and the frameworks used in training.
        files: sha256 by file name.
        encoded_images: How encoded images become the input; None in manifests of earlier versions, and if the images
            are neither grey nor RGB.
    """

    architecture: str
    input: Tensor
    output: Tensor
    preprocessing: str
    classes: tuple[str, ...]
    metrics: dict[str, float]
    versions: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)
    encoded_images: Preprocessing | None = None


@dataclass(frozen=True)
class CheckRecord:
    """Content of `check.json`: the scored files and their metrics.

    Attributes:
        files: sha256 by file name of the scored model folder, manifest included.
        accuracy: 0 to 1.
        loss: Mean cross-entropy in nats.
        images: Number of scored images.
        metrics: Further metrics by name, such as macro_f1; none in records of older versions.
        live: Comparison with the live model; None without one.
    """

    files: dict[str, str]
    accuracy: float
    loss: float
    images: int
    metrics: dict[str, float] = field(default_factory=dict)
    live: LiveComparison | None = None


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Hash the folder's files and write `model.json`.

    Args:
        folder: The model folder with all other files.
        manifest: The manifest; its `files` are replaced.

    Returns:
        The manifest as written.
    """
    files = hash_files(folder)
    files.pop(MANIFEST_FILE, None)
    complete = replace(manifest, files=files)
    content = asdict(complete)
    content["encoded_images"] = manifest.encoded_images.as_json() if manifest.encoded_images else None
    (folder / MANIFEST_FILE).write_text(json.dumps(content, indent=2) + "\n")
    return complete


def read_manifest(folder: str | Path) -> Manifest:
    """Read `model.json`.

    Raises:
        ModelError: If it is missing or invalid.
    """
    raw = _read_json(Path(folder) / MANIFEST_FILE)
    try:
        architecture = model_json.string(member(raw, "architecture"), "'architecture'")
        images = _tensor(raw, "input", rank=4)
        return Manifest(
            architecture=architecture,
            input=images,
            output=_tensor(raw, "output", rank=2),
            preprocessing=model_json.string(member(raw, "preprocessing"), "'preprocessing'"),
            classes=model_json.strings(member(raw, "classes"), "'classes'"),
            metrics={
                name: model_json.number(value, f"metric {name!r}")
                for name, value in model_json.mapping(member(raw, "metrics"), "'metrics'").items()
            },
            versions={
                name: model_json.string(value, f"version of {name!r}")
                for name, value in model_json.mapping(member(raw, "versions"), "'versions'").items()
            },
            files=model_json.hashes(member(raw, "files"), "'files'"),
            encoded_images=_encoded_images(raw, images),
        )
    except ValueError as error:
        raise ModelError(f"{Path(folder) / MANIFEST_FILE}: invalid manifest: {error}") from error


def verify_files(folder: str | Path, files: Mapping[str, str], recorded: Mapping[str, str]) -> None:
    """Compare a folder's files with recorded hashes.

    Args:
        folder: The model folder.
        files: sha256 of the present files, by name; see `hash_files`.
        recorded: sha256 of the required files, by name.

    Raises:
        ModelError: If a file is missing or its content differs.
    """
    for name, expected in recorded.items():
        path = Path(folder) / name
        if name not in files:
            raise ModelError(f"{path}: missing, but recorded; train and score again")
        if files[name] != expected:
            if kind := _placeholder_kind(path):
                raise ModelError(f"{path}: not the recorded file: it looks like {kind}")
            raise ModelError(f"{path}: modified (sha256 differs from the recorded one); train and score again")


def write_check(folder: Path, check: CheckRecord) -> None:
    """Write `check.json` into the score step's output folder."""
    (folder / CHECK_FILE).write_text(json.dumps(asdict(check), indent=2) + "\n")


def read_check(folder: str | Path) -> CheckRecord:
    """Read `check.json`.

    Raises:
        ModelError: If it is missing or invalid.
    """
    raw = _read_json(Path(folder) / CHECK_FILE)
    try:
        return CheckRecord(
            files=model_json.hashes(member(raw, "files"), "'files'"),
            accuracy=model_json.number(member(raw, "accuracy"), "'accuracy'", maximum=1),
            loss=model_json.number(member(raw, "loss"), "'loss'"),
            images=model_json.count(member(raw, "images"), "'images'"),
            metrics=model_json.numbers(raw.get("metrics", {}), "'metrics'"),
            live=comparison_from(model_json.mapping(raw["live"], "'live'")) if raw.get("live") is not None else None,
        )
    except ValueError as error:
        raise ModelError(f"{Path(folder) / CHECK_FILE}: invalid check record: {error}") from error


def reject_pointer_files(folder: str | Path, files: Mapping[str, str]) -> None:
    """Raise ModelError if a file is a Git LFS or git-annex pointer instead of its content.

    Args:
        folder: The model folder.
        files: Its files, by name.
    """
    for name in files:
        path = Path(folder) / name
        if (kind := _placeholder_kind(path)).startswith(POINTERS):
            raise ModelError(f"{path}: it looks like {kind}")


def hash_files(folder: str | Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder, by relative POSIX path, sorted.

    Raises:
        ModelError: If a file cannot be hashed; see `folder_files.files_below`.
    """
    return {name: sha256(path) for name, path in files_below(folder).items()}


def sha256(path: Path) -> str:
    """Return a file's sha256 as hex digits.

    Raises:
        ModelError: If it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error


def _tensor(raw: Mapping[str, Any], key: str, rank: int) -> Tensor:
    tensor = model_json.mapping(member(raw, key), repr(key))
    dtype = model_json.string(member(tensor, "dtype"), f"the dtype of {key!r}")
    if dtype not in _DTYPES:
        raise ValueError(f"the dtype of {key!r} is {dtype!r}; expected one of {', '.join(_DTYPES)}")
    return Tensor(
        name=model_json.string(member(tensor, "name"), f"the name of {key!r}"),
        shape=model_json.shape(member(tensor, "shape"), f"the shape of {key!r}", rank),
        dtype=dtype,
    )


def _encoded_images(raw: Mapping[str, Any], images: Tensor) -> Preprocessing | None:
    settings = raw.get("encoded_images")
    if settings is None:
        return None
    return Preprocessing.from_json(settings, cast(tuple[int, int, int], images.shape[1:]))


def _placeholder_kind(path: Path) -> str:
    with path.open("rb") as stream:
        return placeholder_kind(stream.read(HEAD_BYTES))


def _read_json(path: Path) -> dict[str, Any]:
    raw = read_user_json(path, ModelError, expected="a folder written by the train or score step")
    if not isinstance(raw, dict):
        raise ModelError(f"{path}: expected a JSON object")
    return raw
