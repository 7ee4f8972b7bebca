"""Open and run ONNX models with ONNX Runtime."""

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

_TOLERANCE = 1e-3  # rounding may produce probabilities slightly outside 0 to 1

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
        ModelError: If ONNX Runtime cannot load it.
    """
    # Must be set before the import. Otherwise ONNX Runtime writes a device id to the user's cache folder and sends
    # telemetry.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Batches are small: two threads took a third more CPU for a fifth less time. The default is the number of the
    # node's cores, not of those available to the pod.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with _as_model_error(path):
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def open_network(path: Path, manifest: Manifest) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """Open a classifier and check its signature against the manifest.

    Args:
        path: The .onnx file.
        manifest: Manifest of the model folder.

    Returns:
        A function from images, (n, height, width, channels), to probabilities, (n, classes). It raises ModelError if
        the model fails or its output is not probabilities.

    Raises:
        ModelError: If ONNX Runtime cannot load the model, or its signature differs from the manifest.
    """
    import numpy as np

    session = open_session(path)
    _check_tensor(path, "input", manifest.input, session.get_inputs())
    _check_tensor(path, "output", manifest.output, session.get_outputs())
    classes = len(manifest.classes)
    if manifest.output.shape[1] != classes:
        raise ModelError(f"{path.parent}: the manifest lists {classes} classes for {manifest.output.shape[1]} outputs")

    def network(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with _as_model_error(path):
            (output,) = session.run([manifest.output.name], {manifest.input.name: images.astype(manifest.input.dtype)})
        if output.shape != (len(images), classes):
            raise ModelError(f"{path}: output shape is {output.shape}; expected {(len(images), classes)}")
        if not np.isfinite(output).all():
            raise ModelError(f"{path}: probabilities are NaN or infinite; train again")
        if not (output >= -_TOLERANCE).all() or not (output <= 1 + _TOLERANCE).all():
            raise ModelError(f"{path}: output is not probabilities ({output.min():g} to {output.max():g})")
        probabilities: NDArray[np.float32] = output.astype("float32", copy=False)
        return probabilities

    return network


def _check_tensor(path: Path, what: str, tensor: Tensor, found: Sequence[Any]) -> None:
    """Compare a tensor of the manifest with those of the model; dynamic dimensions are None or strings."""
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
def _as_model_error(path: Path) -> Iterator[None]:
    """Turn errors of ONNX Runtime into ModelError; they have no common base class."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    onnx_errors = (one for one in vars(state).values() if isinstance(one, type) and issubclass(one, Exception))
    raised: tuple[type[Exception], ...] = (RuntimeError, ValueError, *onnx_errors)
    try:
        yield
    except raised as error:
        with path.open("rb") as stream:
            kind = placeholder_kind(stream.read(HEAD_BYTES))
        reason = f"it looks like {kind}" if kind else first_line(error)
        raise ModelError(f"{path}: ONNX Runtime cannot run it: {reason}") from error


def predict_in_batches(
    network: Callable[[NDArray[np.uint8]], NDArray[np.float32]], images: NDArray[np.uint8], batch_size: int
) -> NDArray[np.float32]:
    """Run a network batch by batch, which bounds memory.

    Args:
        network: Maps images to probabilities, (n, classes).
        images: At least one image, (n, height, width, channels).
        batch_size: Batch size.

    Returns:
        Probabilities of all images, (n, classes), in order.
    """
    import numpy as np

    return np.concatenate([network(images[start : start + batch_size]) for start in range(0, len(images), batch_size)])
