"""Opening an ONNX model and running it, the same way wherever a step does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession


def open_session(path: Path) -> InferenceSession:
    """Open a model on the CPU.

    Args:
        path: The .onnx file.
    """
    # ONNX Runtime reads it when it is imported. Without it, it writes a device id into the user's cache folder and
    # reports what it runs to its makers.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # The runs of a step are too small to share: two threads took a third more CPU for a fifth less time. And left to
    # itself ONNX Runtime counts the node's cores, not those the pod may use.
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def in_runs(
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
