"""Load a model folder of train, and classify images with ONNX Runtime."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

# Must be set before the import: otherwise each worker starts a thread per CPU of the node.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np

# Must be set before the import: disables ONNX Runtime's telemetry.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime
from preprocessing import Preprocessing

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "model.json"
MAX_EDGE = 1 << 16  # pixels
BATCH_BYTES = 4 << 20
"""Maximum size of the images that are classified together, so that memory does not grow with the request."""


class BadModelError(Exception):
    """Not a model folder of train; the message is for the deployment's log."""


@dataclass(frozen=True)
class Classifier:
    """A loaded model.

    Attributes:
        session: The ONNX Runtime session.
        input: The name of the images' tensor.
        output: The name of the probabilities' tensor.
        dtype: The images' dtype, as NumPy names it.
        shape: One image: height, width, channels.
        classes: The class names, in the order of the output.
        encoded_images: How image files become the input; None if the model takes raw pixels only.
    """

    session: onnxruntime.InferenceSession
    input: str
    output: str
    dtype: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    encoded_images: Preprocessing | None


def load(folder: Path) -> Classifier:
    """Find and load the model in a folder.

    Raises:
        FileNotFoundError: If there is not exactly one, with its manifest.
        BadModelError: If they are damaged or inconsistent.
    """
    found = sorted(folder.rglob(MODEL_FILE))
    if len(found) != 1 or not found[0].with_name(MANIFEST_FILE).is_file():
        raise FileNotFoundError(f"expected one {MODEL_FILE} with its {MANIFEST_FILE} below {folder}, found {found}")
    path = found[0]
    options = onnxruntime.SessionOptions()
    # The deployment runs one worker for each core (WORKER_COUNT), so each keeps to one.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BadModelError(f"{path}: ONNX Runtime cannot run it: {_first_line(error)}") from error
    model = read_manifest(path.with_name(MANIFEST_FILE), session)
    for what, name, tensors in (
        ("input", model.input, session.get_inputs()),
        ("output", model.output, session.get_outputs()),
    ):
        names = [tensor.name for tensor in tensors]
        if name not in names:
            raise BadModelError(f"{path}: its {what}s are {', '.join(names)}; {MANIFEST_FILE} names {name}")
    return model


def read_manifest(path: Path, session: onnxruntime.InferenceSession) -> Classifier:
    """Read a model's manifest.

    Raises:
        BadModelError: If it is not a manifest of train.
    """
    try:
        manifest = json.loads(path.read_bytes())
        _, height, width, channels = manifest["input"]["shape"]
        model = Classifier(
            session=session,
            input=str(manifest["input"]["name"]),
            output=str(manifest["output"]["name"]),
            dtype=np.dtype(manifest["input"]["dtype"]).name,
            shape=(height, width, channels),
            classes=tuple(map(str, manifest["classes"])),
            encoded_images=_preprocessing(manifest, (height, width, channels)),
        )
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise BadModelError(f"{path}: not a manifest of train ({reason})") from error
    if not all(type(size) is int and 0 < size < MAX_EDGE for size in model.shape):
        raise BadModelError(f"{path}: images of {list(model.shape)}; expected height, width and channels")
    if not model.classes or manifest["output"].get("shape") != [None, len(model.classes)]:
        raise BadModelError(f"{path}: {len(model.classes)} classes do not fit the output's shape")
    return model


def classify(model: Classifier, images: Iterable[np.ndarray]) -> dict[str, object]:
    """Classify images.

    Args:
        model: The model.
        images: At least one, each (height, width, channels), uint8.

    Returns:
        The response, as score.py describes it.
    """
    found = [
        model.session.run([model.output], {model.input: np.stack(batch).astype(model.dtype, copy=False)})[0]
        for batch in _batches(images, max(1, BATCH_BYTES // prod(model.shape)))
    ]
    probabilities = np.concatenate(found) if len(found) > 1 else found[0]
    best = probabilities.argmax(axis=1)
    return {
        "predictions": [
            {"label": model.classes[index], "index": int(index), "probability": float(row[index])}
            for index, row in zip(best, probabilities, strict=True)
        ],
        "probabilities": probabilities.tolist(),
    }


def _batches(images: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    waiting = iter(images)
    while batch := list(islice(waiting, size)):
        yield batch


def _preprocessing(manifest: dict[str, Any], shape: tuple[int, int, int]) -> Preprocessing | None:
    settings = manifest.get("encoded_images")
    if settings is None:  # of a model of an earlier version, or whose images are neither grey nor RGB
        return Preprocessing.default(shape)
    return Preprocessing.from_json(settings, shape)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]
