"""Opening an ONNX model, the same way wherever a step runs one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    # Threads that spin while they wait cost CPU and gain nothing here.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
