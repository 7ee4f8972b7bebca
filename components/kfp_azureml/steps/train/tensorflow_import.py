"""Importing TensorFlow and Keras: without their start-up notes in the step's log, and with settings of our own."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from kfp_azureml.runtime.cpus import usable_cores
from kfp_azureml.runtime.errors import TrainingError

# Another Keras, and a compiler that these networks are not compiled with: an unknown flag of it ends the process.
_OTHER_SETTINGS = ("TF_USE_LEGACY_KERAS", "XLA_FLAGS", "TF_XLA_FLAGS")


def import_tensorflow() -> None:
    """Import TensorFlow and Keras, for later imports to find; takes some seconds.

    The user's Keras settings (keras.json and the KERAS_ variables) are for the user's own programs: with another image
    format, precision or backend these networks cannot be trained or exported, or would be others.

    TensorFlow 2.21 writes notes on oneDNN to stderr whatever TF_CPP_MIN_LOG_LEVEL says, since it does so before it
    reads the variable.

    Raises:
        TrainingError: If Keras was imported before, with another backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Two operations side by side, each shared by a thread for each core. The hyperthreads of one core share an
    # operation badly, they mostly wait; on two real cores a step of `lean` with one thread an operation took 64 ms
    # where two took 22, for the same CPU (on a busy machine). A rule, since results hang on the number of threads:
    # with a setting that each run measures, the same seed would not give the same model.
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(usable_cores()))
    with buffered_stderr(), _ignored_user_settings():
        import keras
        import tensorflow as tf

        if keras.config.backend() != "tensorflow":
            raise TrainingError(
                f"Keras was imported with the backend {keras.config.backend()} before: train in a process of its own"
            )
        # Also where somebody imported Keras before us.
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        keras.config.set_epsilon(1e-7)
        keras.config.set_image_data_format("channels_last")
        # Brings up what is only loaded with the first operation.
        keras.ops.convert_to_numpy(tf.zeros(1))


@contextmanager
def _ignored_user_settings() -> Iterator[None]:
    """Hide the user's Keras settings from the import, and keep its keras.json from being made."""
    for name in [name for name in os.environ if name.startswith("KERAS_") or name in _OTHER_SETTINGS]:
        del os.environ[name]
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with tempfile.TemporaryDirectory(prefix="kfp-azureml-keras-") as home:
        os.environ["KERAS_HOME"] = home
        try:
            yield
        finally:
            del os.environ["KERAS_HOME"]


@contextmanager
def buffered_stderr() -> Iterator[None]:
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
