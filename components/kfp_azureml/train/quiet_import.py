"""Importing TensorFlow without its start-up notes in the step's log."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def import_tensorflow() -> None:
    """Import TensorFlow and Keras, for later imports to find; takes some seconds.

    TensorFlow 2.21 writes notes on oneDNN to stderr whatever TF_CPP_MIN_LOG_LEVEL says, since it does so before it
    reads the variable.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Two operations side by side, which share the cores: threads that share one small operation mostly wait.
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))
    with stderr_held_back():
        import keras
        import tensorflow as tf

        # Brings up what is only loaded with the first operation.
        keras.ops.convert_to_numpy(tf.zeros(1))


@contextmanager
def stderr_held_back() -> Iterator[None]:
    """Hold back what anybody, native code too, writes to stderr; it is written after all if the block fails."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
