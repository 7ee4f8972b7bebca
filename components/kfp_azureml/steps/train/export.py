"""From a trained network to the model folder: saved, exported to ONNX, and the export checked."""

from __future__ import annotations

import logging
import platform
import warnings
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
import onnx
import tensorflow as tf
from numpy.typing import NDArray

from kfp_azureml.models.model_folder import KERAS_FILE, ONNX_FILE, Manifest, Tensor, write_manifest
from kfp_azureml.models.onnx_session import open_session, predict_in_batches
from kfp_azureml.runtime.errors import ModelError
from kfp_azureml.steps.train.batch_norm import with_stock_layers
from kfp_azureml.steps.train.tta import with_flip_tta

TOLERANCE = 1e-4
"""The largest difference of a probability between Keras and ONNX Runtime; measured: below 1e-6."""

BATCH_SIZE = 32
"""On how many images the networks run at a time."""

OUTPUT = "probabilities"

PREPROCESSING = "none: raw pixels, 0 to 255"


def write_model_folder(
    folder: Path,
    model: keras.Model,
    *,
    architecture: str,
    flip_tta: bool,
    classes: tuple[str, ...],
    metrics: dict[str, float],
    samples: NDArray[np.uint8],
) -> Manifest:
    """Write the model folder's files.

    Args:
        folder: An empty folder.
        model: The trained network.
        architecture: Its name.
        flip_tta: Whether to answer with the mean over an image and its mirror image.
        classes: The class names, in the order of the output.
        metrics: Training's figures, for the manifest.
        samples: Real images, (n, height, width, channels), uint8: on these the export must agree with the network.

    Returns:
        The manifest as written.

    Raises:
        ModelError: If ONNX Runtime's answers differ from Keras' by more than `TOLERANCE`.
    """
    complete = with_flip_tta if flip_tta else lambda network: network
    portable = complete(with_stock_layers(model))
    expected = predict_in_batches(
        lambda some: keras.ops.convert_to_numpy(portable(some, training=False)), samples, BATCH_SIZE
    )
    portable.save(folder / KERAS_FILE)
    # ONNX Runtime fuses what fused layers become better than what Keras' own become.
    _export_onnx(complete(model), folder / ONNX_FILE, samples[:1])

    session = open_session(folder / ONNX_FILE)
    (image,), (probabilities,) = session.get_inputs(), session.get_outputs()
    exported = predict_in_batches(
        lambda some: session.run([probabilities.name], {image.name: some})[0], samples, BATCH_SIZE
    )
    difference = float(np.abs(exported - expected).max())
    if not difference <= TOLERANCE:
        raise ModelError(
            f"the exported {ONNX_FILE} differs from the Keras network by {difference:.2g} (at most {TOLERANCE:g} is "
            f"allowed): architecture {architecture} cannot be exported faithfully"
        )

    return write_manifest(
        folder,
        Manifest(
            architecture=architecture,
            input=Tensor(image.name, (None, *model.input_shape[1:]), "uint8"),
            output=Tensor(probabilities.name, (None, *model.output_shape[1:]), "float32"),
            preprocessing=PREPROCESSING,
            classes=classes,
            metrics=metrics,
            versions={
                "python": platform.python_version(),
                **{name: version(name) for name in ("keras", "numpy", "onnxruntime", "tf2onnx")},
                "tensorflow": tf.__version__,
            },
        ),
    )


def _export_onnx(model: keras.Model, path: Path, sample: NDArray[np.uint8]) -> None:
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    model(sample)  # only a model that has been called can be exported
    with warnings.catch_warnings():
        # Keras asks numpy for the `object` that numpy 2 took away, in order to mend tf2onnx.
        warnings.filterwarnings("ignore", message="In the future `np.object`", category=FutureWarning)
        model.export(path, format="onnx", verbose=False)

    # TensorFlow calls every output "Identity:0"; whoever reads the signature deserves the layer's name.
    exported = onnx.load(path)
    (output,) = exported.graph.output
    for node in exported.graph.node:
        node.output[:] = [OUTPUT if name == output.name else name for name in node.output]
    output.name = OUTPUT
    onnx.checker.check_model(exported)
    onnx.save(exported, path)
