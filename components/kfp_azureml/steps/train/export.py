"""Write the model folder: save the Keras model, export it to ONNX, and compare the two."""

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

from kfp_azureml.imagesets.preprocessing import Preprocessing
from kfp_azureml.models.model_folder import KERAS_FILE, ONNX_FILE, Manifest, Tensor, write_manifest
from kfp_azureml.models.onnx_session import open_session, predict_in_batches
from kfp_azureml.runtime.errors import ModelError
from kfp_azureml.steps.train.batch_norm import with_stock_layers
from kfp_azureml.steps.train.mlflow_model import write_mlflow_files
from kfp_azureml.steps.train.onnx_layers import with_exportable_layers
from kfp_azureml.steps.train.settings import FOLDER, MLFLOW
from kfp_azureml.steps.train.tta import with_flip_tta

TOLERANCE = 1e-4
"""Maximum difference between probabilities of Keras and ONNX Runtime; measured: below 1e-6."""

BATCH_SIZE = 32
"""Batch size of the comparison."""

OUTPUT = "probabilities"

PREPROCESSING = "none: raw pixels, 0 to 255"


def write_model_folder(
    folder: Path,
    model: keras.Model,
    *,
    architecture: str,
    model_format: str,
    flip_tta: bool,
    classes: tuple[str, ...],
    encoded_images: Preprocessing | None,
    metrics: dict[str, float],
    samples: NDArray[np.uint8],
) -> Manifest:
    """Write the model folder's files.

    Args:
        folder: An empty folder.
        model: The trained network.
        architecture: Name of the architecture.
        model_format: One of `settings.MODEL_FORMATS`.
        flip_tta: Add test-time augmentation; see `with_flip_tta`.
        classes: Class names in the order of the output.
        encoded_images: How encoded images become the input; None if they cannot.
        metrics: Training metrics for the manifest.
        samples: Images, (n, height, width, channels), uint8, on which Keras and ONNX Runtime are compared.

    Raises:
        ModelError: If their probabilities differ by more than `TOLERANCE`.
    """
    finish = with_flip_tta if flip_tta else lambda network: network
    portable = finish(with_stock_layers(model))
    # A call outside a graph would keep the outputs of all layers.
    predict = tf.function(lambda some: portable(some, training=False), reduce_retracing=True)
    expected = predict_in_batches(lambda some: predict(some).numpy(), samples, BATCH_SIZE)
    if model_format != MLFLOW:
        portable.save(folder / KERAS_FILE)
    # ONNX Runtime optimizes the export of the fused layers better than that of Keras' own.
    _export_onnx(finish(with_exportable_layers(model)), folder / ONNX_FILE, samples[:1])

    session = open_session(folder / ONNX_FILE)
    (image,), (probabilities,) = session.get_inputs(), session.get_outputs()
    exported = predict_in_batches(
        lambda some: session.run([probabilities.name], {image.name: some})[0], samples, BATCH_SIZE
    )
    difference = float(np.abs(exported - expected).max())
    if not difference <= TOLERANCE:
        raise ModelError(
            f"architecture {architecture}: probabilities of {ONNX_FILE} differ from those of Keras by {difference:.2g} "
            f"(maximum {TOLERANCE:g}); use another architecture"
        )

    input_tensor = Tensor(image.name, (None, *model.input_shape[1:]), "uint8")
    output_tensor = Tensor(probabilities.name, (None, *model.output_shape[1:]), "float32")
    if model_format != FOLDER:
        write_mlflow_files(folder, input_tensor, output_tensor, samples, architecture)
    return write_manifest(
        folder,
        Manifest(
            architecture=architecture,
            input=input_tensor,
            output=output_tensor,
            preprocessing=PREPROCESSING,
            classes=classes,
            encoded_images=encoded_images,
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
    model(sample)  # a model must be built before export
    with warnings.catch_warnings():
        # Keras patches tf2onnx by `np.object`, which numpy 2 removed.
        warnings.filterwarnings("ignore", message="In the future `np.object`", category=FutureWarning)
        model.export(path, format="onnx", verbose=False)

    # TensorFlow names every output "Identity:0"; use the layer's name.
    exported = onnx.load(path)
    (output,) = exported.graph.output
    for node in exported.graph.node:
        node.output[:] = [OUTPUT if name == output.name else name for name in node.output]
    output.name = OUTPUT
    onnx.checker.check_model(exported)
    onnx.save(exported, path)
