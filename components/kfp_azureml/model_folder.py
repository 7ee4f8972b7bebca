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

from kfp_azureml.errors import ModelError

KERAS_FILE = "model.keras"
ONNX_FILE = "model.onnx"
MANIFEST_FILE = "model.json"

# What score leaves beside its predictions, for register and deploy.
CHECK_FILE = "check.json"
SAMPLE_FILE = "sample.json"


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
        signature = {"input": _tensor(raw["input"]), "output": _tensor(raw["output"])}
        return Manifest(**{**raw, **signature, "classes": tuple(raw["classes"])})
    except (KeyError, TypeError) as error:
        raise ModelError(f"{Path(folder) / MANIFEST_FILE}: not a model manifest ({error})") from error


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
        return CheckRecord(**raw)
    except TypeError as error:
        raise ModelError(f"{Path(folder) / CHECK_FILE}: not a check record ({error})") from error


def hash_files(folder: str | Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder, by relative POSIX path, sorted."""
    root = Path(folder)
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): sha256(path) for path in paths}


def sha256(path: Path) -> str:
    """Return a file's sha256 as hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _tensor(raw: dict[str, Any]) -> Tensor:
    return Tensor(name=raw["name"], shape=tuple(raw["shape"]), dtype=raw["dtype"])


def _read_json(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text())
    except FileNotFoundError:
        raise ModelError(f"{path}: missing; expected a folder written by the train or score step") from None
    except ValueError as error:
        raise ModelError(f"{path}: not JSON ({error})") from error
    if not isinstance(raw, dict):
        raise ModelError(f"{path}: expected a JSON object")
    return raw
