"""All of Fashion-MNIST: prep's files are byte-exact, and an exported network predicts as Keras does."""

import hashlib
from pathlib import Path

import keras
import numpy as np
import pytest

from fashion_slice import write_fashion_slice
from kfp_azureml.imagesets.reader import open_image_set
from kfp_azureml.local.data import fashion_mnist
from kfp_azureml.models.onnx_session import open_session
from kfp_azureml.steps.train.architectures import ARCHITECTURES
from kfp_azureml.steps.train.export import TOLERANCE
from step_calls import prep_data, train_model


@pytest.fixture(scope="module")
def source() -> Path:
    return fashion_mnist(print)


def test_the_csv_files_are_those_of_the_original_example(tmp_path: Path, source: Path) -> None:
    prep_data(str(source), tmp_path / "training", tmp_path / "test", output_format="csv")
    # Size and sha256 of the original Azure ML example's files.
    for path, size, digest in (
        (tmp_path / "training" / "mnist_train.csv", 133_008_873, "5d2fddd8"),
        (tmp_path / "test" / "mnist_test.csv", 22_196_071, "681d415e"),
    ):
        assert path.stat().st_size == size
        with path.open("rb") as stream:
            assert hashlib.file_digest(stream, "sha256").hexdigest().startswith(digest)


def test_the_parquet_files_hold_every_pixel_and_label(tmp_path: Path, source: Path) -> None:
    prep_data(str(source), tmp_path / "training", tmp_path / "test")
    for folder, prefix, count in (("training", "train", 60_000), ("test", "t10k", 10_000)):
        pixels = np.fromfile(source / f"{prefix}-images-idx3-ubyte", np.uint8, offset=16)
        labels = np.fromfile(source / f"{prefix}-labels-idx1-ubyte", np.uint8, offset=8)
        written = open_image_set(tmp_path / folder)
        assert (written.info.count, written.info.shape, len(written.info.classes)) == (count, (28, 28, 1), 10)
        batches = list(written.batches(4096))
        assert np.array_equal(np.concatenate([batch.images for batch in batches]).ravel(), pixels)
        assert np.array_equal(np.concatenate([batch.labels for batch in batches]), labels)


# make test-networks has those for photos.
@pytest.mark.parametrize("architecture", sorted(name for name, one in ARCHITECTURES.items() if one.min_size <= 28))
def test_the_exported_network_answers_as_keras_does_on_1000_real_images(
    tmp_path: Path, source: Path, architecture: str
) -> None:
    images = np.fromfile(source / "t10k-images-idx3-ubyte", np.uint8, offset=16).reshape(-1, 28, 28, 1)[:1000]
    (tmp_path / "slice").mkdir()
    prep_data(str(write_fashion_slice(tmp_path / "slice")), tmp_path / "training", tmp_path / "test")
    train_model(tmp_path / "training", tmp_path / "model", epochs=2, architecture=architecture)
    expected = keras.models.load_model(tmp_path / "model" / "model.keras").predict(images, verbose=0)
    (exported,) = open_session(tmp_path / "model" / "model.onnx").run(["probabilities"], {"image": images})
    assert np.ptp(expected, axis=0).max() > 0.5  # it has learnt something to answer
    np.testing.assert_allclose(exported, expected, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(exported.argmax(axis=1), expected.argmax(axis=1))
