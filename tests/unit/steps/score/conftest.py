"""A model folder with a trivial network, and image sets to score it on."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kfp_azureml.imagesets.parquet import write_parquet
from kfp_azureml.models.model_folder import KERAS_FILE, ONNX_FILE, Manifest, Tensor, write_manifest

CLASSES = ("zero", "<b>one</b>", "two & more")
SHAPE = (2, 2, 1)


def expected_probabilities(images: np.ndarray) -> np.ndarray:
    """Return the model's probabilities: a softmax over the first three pixels, each divided by 100."""
    logits = images.reshape(len(images), -1)[:, :3].astype(np.float64) / 100
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    weights = np.zeros((4, 3), np.float32)
    weights[[0, 1, 2], [0, 1, 2]] = 0.01
    return write_model(tmp_path / "model", weights, CLASSES)


@pytest.fixture
def wide_model(tmp_path: Path) -> Path:
    """Return a model of a thousand classes."""
    weights = np.random.default_rng(0).normal(size=(4, 1_000)).astype(np.float32)
    return write_model(tmp_path / "wide", weights, [f"class {index}" for index in range(1_000)])


def write_model(folder: Path, weights: np.ndarray, classes: Sequence[str]) -> Path:
    """Write a softmax of the pixels times weights, (4, classes), float32."""
    folder.mkdir()
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", ["pixels"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"]),
        ],
        "first-pixels",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [None, *SHAPE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, len(classes)])],
        [numpy_helper.from_array(weights, "weights")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), folder / ONNX_FILE)
    (folder / KERAS_FILE).write_bytes(b"not read by score")
    write_manifest(
        folder,
        Manifest(
            architecture="first-pixels",
            input=Tensor("image", (None, *SHAPE), "uint8"),
            output=Tensor("probabilities", (None, len(classes)), "float32"),
            preprocessing="none",
            classes=tuple(classes),
            metrics={},
            versions={},
        ),
    )
    return folder


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes images, (n, height, width, channels), and labels in groups of 50."""

    def make(images: np.ndarray, labels: Sequence[int] | np.ndarray, classes: Sequence[str] = CLASSES) -> Path:
        folder = tmp_path / "images"
        folder.mkdir()
        label_type = np.uint8 if len(classes) <= 256 else np.uint16
        chunks = (
            (
                images[row : row + 50].astype(np.uint8).tobytes(),
                np.asarray(labels[row : row + 50], label_type).tobytes(),
            )
            for row in range(0, len(labels), 50)
        )
        write_parquet(folder / "images.parquet", images.shape[1:], classes, chunks)
        return folder

    return make


@pytest.fixture
def random_images() -> tuple[np.ndarray, np.ndarray]:
    """Return 333 random images and labels."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 256, (333, *SHAPE), np.uint8), rng.integers(0, 3, 333)
