"""The model folder: what train writes, score and the endpoint read, and register checks.

    model.keras   the trained network
    model.onnx    the same network, exported and checked against it
    model.json    the manifest: signature, classes, versions, sha256 of the files

Reading and verifying needs the standard library only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kfp_azureml.models import model_json
from kfp_azureml.models.model_json import member
from kfp_azureml.runtime.errors import ModelError
from kfp_azureml.runtime.file_kinds import HEAD_BYTES, POINTERS, placeholder_kind
from kfp_azureml.runtime.folder_files import files_below
from kfp_azureml.runtime.text_files import read_user_json

KERAS_FILE = "model.keras"
ONNX_FILE = "model.onnx"
MANIFEST_FILE = "model.json"

# What score leaves beside its predictions, for register and deploy.
CHECK_FILE = "check.json"
SAMPLE_FILE = "sample.json"

_DTYPES = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


@dataclass(frozen=True)
class Tensor:
    """One input or output of the model.

    Attributes:
        name: The tensor's name in `model.onnx`.
        shape: Its dimensions; the first, the batch, is None.
        dtype: Its numpy dtype, such as `uint8`.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Manifest:
    """What `model.json` says.

    Attributes:
        architecture: The architecture's name, as given to train.
        input: Images, (batch, height, width, channels), uint8 as they come from the data set.
        output: Probabilities, (batch, classes), float32.
        preprocessing: What the caller has to do to an image first; ours do all of it inside the network.
        classes: The class names, in the order of the output.
        metrics: Training's own figures: losses and accuracies, as fractions.
        versions: Of Python and the frameworks that made the model.
        files: sha256 of each file, by name.
    """

    architecture: str
    input: Tensor
    output: Tensor
    preprocessing: str
    classes: tuple[str, ...]
    metrics: dict[str, float]
    versions: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckRecord:
    """What score writes beside its predictions: which files were scored, and how well they did.

    Attributes:
        files: sha256 of each file of the scored model folder, by name; the manifest, and so the signature and the
            classes, among them.
        accuracy: The share of images classified rightly, 0 to 1.
        loss: Mean cross-entropy in nats.
        images: How many images were scored.
    """

    files: dict[str, str]
    accuracy: float
    loss: float
    images: int


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Hash the folder's files and write `model.json`.

    Args:
        folder: The model folder, complete but for the manifest.
        manifest: All but `files`, which is filled in here.

    Returns:
        The manifest as written.
    """
    files = hash_files(folder)
    files.pop(MANIFEST_FILE, None)
    complete = Manifest(**{**vars(manifest), "files": files})
    (folder / MANIFEST_FILE).write_text(json.dumps(asdict(complete), indent=2) + "\n")
    return complete


def read_manifest(folder: str | Path) -> Manifest:
    """Read `model.json`.

    Raises:
        ModelError: If there is none, or it is not what train writes.
    """
    raw = _read_json(Path(folder) / MANIFEST_FILE)
    try:
        return Manifest(
            architecture=model_json.text(member(raw, "architecture"), "'architecture'"),
            input=_tensor(raw, "input", rank=4),
            output=_tensor(raw, "output", rank=2),
            preprocessing=model_json.text(member(raw, "preprocessing"), "'preprocessing'"),
            classes=model_json.texts(member(raw, "classes"), "'classes'"),
            metrics={
                name: model_json.number(value, f"metric {name!r}")
                for name, value in model_json.mapping(member(raw, "metrics"), "'metrics'").items()
            },
            versions={
                name: model_json.text(value, f"version of {name!r}")
                for name, value in model_json.mapping(member(raw, "versions"), "'versions'").items()
            },
            files=model_json.hashes(member(raw, "files"), "'files'"),
        )
    except ValueError as error:
        raise ModelError(f"{Path(folder) / MANIFEST_FILE}: not a manifest that train wrote: {error}") from error


def verify_files(folder: str | Path, files: Mapping[str, str], recorded: Mapping[str, str]) -> None:
    """Check that a folder's files are what their recorded hashes say.

    Args:
        folder: The model folder.
        files: sha256 of each file that is there, by name; see `hash_files`.
        recorded: sha256 of each file that has to be there.

    Raises:
        ModelError: If a file is missing or its content differs.
    """
    for name, expected in recorded.items():
        path = Path(folder) / name
        if name not in files:
            raise ModelError(f"{path}: missing, though it was recorded: train and score again")
        if files[name] != expected:
            if kind := _placeholder_kind(path):
                raise ModelError(f"{path}: not what was recorded: it looks like {kind}")
            raise ModelError(f"{path}: the content is not what was recorded (sha256 differs): train and score again")


def write_check(folder: Path, check: CheckRecord) -> None:
    """Write `check.json` into the score step's output folder."""
    (folder / CHECK_FILE).write_text(json.dumps(asdict(check), indent=2) + "\n")


def read_check(folder: str | Path) -> CheckRecord:
    """Read the `check.json` that score wrote.

    Raises:
        ModelError: If there is none, or it is not what score writes.
    """
    raw = _read_json(Path(folder) / CHECK_FILE)
    try:
        return CheckRecord(
            files=model_json.hashes(member(raw, "files"), "'files'"),
            accuracy=model_json.number(member(raw, "accuracy"), "'accuracy'", most=1),
            loss=model_json.number(member(raw, "loss"), "'loss'"),
            images=model_json.count(member(raw, "images"), "'images'"),
        )
    except ValueError as error:
        raise ModelError(f"{Path(folder) / CHECK_FILE}: not a record that score wrote: {error}") from error


def reject_pointer_files(folder: str | Path, files: Mapping[str, str]) -> None:
    """Check that no file is what stands in for one that was not downloaded, such as a Git LFS pointer.

    Args:
        folder: The model folder.
        files: Its files, by name.

    Raises:
        ModelError: If there is one.
    """
    for name in files:
        path = Path(folder) / name
        if (kind := _placeholder_kind(path)).startswith(POINTERS):
            raise ModelError(f"{path}: it looks like {kind}")


def hash_files(folder: str | Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder, by relative POSIX path, sorted.

    Raises:
        ModelError: If there is something in it that cannot be hashed; see `folder_files.files_below`.
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
    dtype = model_json.text(member(tensor, "dtype"), f"the dtype of {key!r}")
    if dtype not in _DTYPES:
        raise ValueError(f"the dtype of {key!r} is {dtype!r}; expected one of {', '.join(_DTYPES)}")
    return Tensor(
        name=model_json.text(member(tensor, "name"), f"the name of {key!r}"),
        shape=model_json.shape(member(tensor, "shape"), f"the shape of {key!r}", rank),
        dtype=dtype,
    )


def _placeholder_kind(path: Path) -> str:
    with path.open("rb") as stream:
        return placeholder_kind(stream.read(HEAD_BYTES))


def _read_json(path: Path) -> dict[str, Any]:
    raw = read_user_json(path, ModelError, expected="a folder written by the train or score step")
    if not isinstance(raw, dict):
        raise ModelError(f"{path}: expected a JSON object")
    return raw
