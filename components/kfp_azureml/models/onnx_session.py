"""Opening an ONNX model and running it, the same way wherever a step does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp_azureml.runtime.errors import ModelError, first_line
from kfp_azureml.runtime.file_kinds import HEAD_BYTES, placeholder_kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    from kfp_azureml.models.model_folder import Manifest, Tensor

_SLACK = 1e-3  # by which rounding may take a probability out of 0 to 1


_TYPES = {
    "uint8": "uint8",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
    "float16": "float16",
    "float": "float32",
    "double": "float64",
}


def open_session(path: Path) -> InferenceSession:
    """Open a model on the CPU.

    Args:
        path: The .onnx file.

    Raises:
        ModelError: If it is no model that ONNX Runtime can run.
    """
    # ONNX Runtime reads it when it is imported. Without it, it writes a device id into the user's cache folder and
    # reports what it runs to its makers.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # The runs of a step are too small to share: two threads took a third more CPU for a fifth less time. And left to
    # itself ONNX Runtime counts the node's cores, not those the pod may use.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with _refusals(path):
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def open_network(path: Path, manifest: Manifest) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Open a model as the function that its manifest promises.

    Args:
        path: The .onnx file.
        manifest: What its input and its output are.

    Returns:
        From images, (n, height, width, channels), to probabilities, (n, classes). It raises ModelError if the model
        fails, or if what it answers are no probabilities.

    Raises:
        ModelError: If it is no model, or has another signature.
    """
    import numpy as np

    session = open_session(path)
    _check_tensor(path, "input", manifest.input, session.get_inputs())
    _check_tensor(path, "output", manifest.output, session.get_outputs())
    classes = len(manifest.classes)
    if manifest.output.shape[1] != classes:
        raise ModelError(f"{path.parent}: the manifest names {classes} classes for {manifest.output.shape[1]} outputs")

    def network(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with _refusals(path):
            (answer,) = session.run([manifest.output.name], {manifest.input.name: images.astype(manifest.input.dtype)})
        if answer.shape != (len(images), classes):
            raise ModelError(f"{path}: it answers {len(images)} images with {answer.shape}; expected {classes} each")
        if not np.isfinite(answer).all():
            raise ModelError(f"{path}: the model's probabilities are not numbers: train it again")
        if not (answer >= -_SLACK).all() or not (answer <= 1 + _SLACK).all():
            raise ModelError(f"{path}: what it answers are not probabilities ({answer.min():g} to {answer.max():g})")
        probabilities: NDArray[np.float32] = answer.astype("float32", copy=False)
        return probabilities

    return network


def _check_tensor(path: Path, what: str, tensor: Tensor, found: Sequence[Any]) -> None:
    """Compare a tensor of the manifest with those of the model, whose free dimensions are None or names."""
    named = {one.name: one for one in found}
    if tensor.name not in named or (what == "input" and len(found) != 1):
        raise ModelError(f"{path}: its {what}s are {', '.join(map(repr, named))}; the manifest names {tensor.name!r}")
    one = named[tensor.name]
    dtype = _TYPES.get(one.type.removeprefix("tensor(").removesuffix(")"), one.type)
    shape = [size if isinstance(size, int) else None for size in one.shape]
    fits = len(shape) == len(tensor.shape) and all(
        mine is None or theirs is None or mine == theirs for mine, theirs in zip(shape, tensor.shape, strict=True)
    )
    if dtype != tensor.dtype or not fits or shape[0] is not None:
        raise ModelError(
            f"{path}: {what} {tensor.name!r} is {dtype} {shape}; the manifest says {tensor.dtype} {list(tensor.shape)}"
        )


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Say in one line what ONNX Runtime does not take; its errors have no class in common."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (one for one in vars(state).values() if isinstance(one, type) and issubclass(one, Exception))
    raised: tuple[type[Exception], ...] = (RuntimeError, ValueError, *own)
    try:
        yield
    except raised as error:
        with path.open("rb") as stream:
            kind = placeholder_kind(stream.read(HEAD_BYTES))
        reason = f"it looks like {kind}" if kind else first_line(error)
        raise ModelError(f"{path}: ONNX Runtime cannot run it: {reason}") from error


def predict_in_batches(
    network: Callable[[NDArray[np.uint8]], NDArray[np.float32]], images: NDArray[np.uint8], size: int
) -> NDArray[np.float32]:
    """Run a network on some images at a time: more gain no speed, and all at once would be a step's peak of memory.

    Args:
        network: From images to probabilities, (n, classes).
        images: At least one, (n, height, width, channels).
        size: Images a run.

    Returns:
        The probabilities of all images, in their order.
    """
    import numpy as np

    return np.concatenate([network(images[start : start + size]) for start in range(0, len(images), size)])
