"""A model folder and score result like those of train and score, without TensorFlow."""

import base64
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from kfp_azureml.models.model_folder import CheckRecord, Manifest, Tensor, hash_files, write_check, write_manifest

CLASSES = ("cat", "dog", "eel")
SHAPE = (4, 4, 1)


def write_tiny_model(folder: Path, seed: int = 0) -> Path:
    """Write a linear classifier of 4 x 4 images into three classes."""
    folder.mkdir(parents=True)
    weights = np.random.default_rng(seed).normal(size=(16, len(CLASSES))).astype(np.float32) / 255
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, [None, *SHAPE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, len(CLASSES)])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, str(folder / "model.onnx"))
    signature = Tensor("images", (None, *SHAPE), "uint8"), Tensor("probabilities", (None, len(CLASSES)), "float32")
    write_manifest(folder, Manifest("tiny", *signature, "none", CLASSES, {}, {}))
    return folder


def tiny_images(count: int) -> np.ndarray:
    """Return random images, (count, 4, 4, 1), uint8."""
    return np.random.default_rng(1).integers(0, 256, size=(count, *SHAPE), dtype=np.uint8)


def predict(model: Path, images: np.ndarray) -> np.ndarray:
    """Return the probabilities, (images, 3), float32, straight from ONNX Runtime."""
    return onnxruntime.InferenceSession(str(model / "model.onnx")).run(None, {"images": images})[0]


def write_tiny_score(folder: Path, model: Path, images: int = 8) -> Path:
    """Write the check record and the sample of a scored tiny model."""
    folder.mkdir(parents=True)
    pixels = tiny_images(images)
    probabilities = predict(model, pixels)
    write_check(folder, CheckRecord(hash_files(model), 0.91, 0.25, images))
    sample = {
        "shape": list(SHAPE),
        "images": [base64.b64encode(image.tobytes()).decode() for image in pixels],
        "labels": [0] * images,
        "predicted": probabilities.argmax(axis=1).tolist(),
        "probabilities": probabilities.tolist(),
    }
    (folder / "sample.json").write_text(json.dumps(sample))
    return folder
