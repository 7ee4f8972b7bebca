"""Import TensorFlow and Keras with fixed settings and without their start-up messages."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from kfp_azureml.runtime.cpus import usable_cores
from kfp_azureml.runtime.errors import TrainingError
from kfp_azureml.steps.train.cluster import Cluster
from kfp_azureml.steps.train.collectives import Workers, connect

# They select another Keras, or set XLA flags, of which an unknown one ends the process.
_OTHER_SETTINGS = ("TF_USE_LEGACY_KERAS", "XLA_FLAGS", "TF_XLA_FLAGS")


def import_tensorflow(cluster: Cluster | None = None) -> Workers:
    """Import TensorFlow and Keras with fixed settings; takes some seconds.

    The user's Keras settings (keras.json and KERAS_ variables) are ignored: another image format, precision or backend
    would break training or export. stderr is buffered since TensorFlow 2.21 writes messages about oneDNN before it
    reads TF_CPP_MIN_LOG_LEVEL.

    Args:
        cluster: The workers to connect to, before TensorFlow's first operation; None to train alone.

    Returns:
        The connected workers.

    Raises:
        TrainingError: If Keras is already imported with another backend.
        WorkerLostError: If another worker ends meanwhile.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Two operations in parallel, each with one thread per physical core: hyperthreads of one core mostly wait for each
    # other. On two cores a step of `lean` took 64 ms with one thread and 22 ms with two, for the same CPU (on a busy
    # machine). The number is fixed, not tuned per run, since results depend on it.
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(usable_cores()))
    with buffered_stderr(), _ignored_user_settings():
        import keras
        import tensorflow as tf

        if keras.config.backend() != "tensorflow":
            raise TrainingError(
                f"Keras is already imported with the backend {keras.config.backend()}; train in a new process"
            )
        # Keras may have been imported before.
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        keras.config.set_epsilon(1e-7)
        keras.config.set_image_data_format("channels_last")
        workers = connect(cluster)
        # The first operation loads more libraries, which write messages too.
        keras.ops.convert_to_numpy(tf.zeros(1))
    return workers


@contextmanager
def _ignored_user_settings() -> Iterator[None]:
    """Hide the user's Keras settings, and do not create a keras.json."""
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
    """Buffer stderr, native code's too; write it out only if the block fails."""
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
