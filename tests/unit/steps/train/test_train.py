"""Train small networks and write model folders."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner

import step_calls
from kfp_azureml.imagesets.preprocessing import Preprocessing
from kfp_azureml.models.model_folder import hash_files, read_manifest, verify_files
from kfp_azureml.runtime.errors import DataError, ModelError, TrainingError
from kfp_azureml.steps.command import component_command
from kfp_azureml.steps.train import export
from kfp_azureml.steps.train.architectures import ARCHITECTURES, SMALL_BATCH
from kfp_azureml.steps.train.batches import Split
from kfp_azureml.steps.train.shuffle import ShuffledBatches
from kfp_azureml.steps.train.train import TrainResult
from step_calls import train_model

SETTINGS = {"epochs": 2, "batch_size": 32}


@pytest.fixture(scope="module")
def data(make_set: Callable[..., Path]) -> Path:
    return make_set()


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainResult, Path]:
    """Return a result and the folder that holds `model` and `history`."""
    folder = tmp_path_factory.mktemp("trained")
    return train_model(data, folder / "model", output_history=folder / "history", **SETTINGS), folder


def test_the_history_has_each_epoch_and_the_network_learns(trained: tuple[TrainResult, Path]) -> None:
    result, folder = trained
    assert [epoch.number for epoch in result.history] == [1, 2]
    assert result.history[-1].accuracy > 0.9
    assert result.manifest.metrics == result.history[-1].metrics()
    assert result.manifest.metrics.keys() == {"loss", "accuracy", "validation_loss", "validation_accuracy"}
    assert f"{result.history[-1].loss:.4f}" in (folder / "history").read_text()


def test_the_model_folder_is_complete(trained: tuple[TrainResult, Path]) -> None:
    result, folder = trained
    manifest = read_manifest(folder / "model")
    assert manifest == result.manifest
    verify_files(folder / "model", hash_files(folder / "model"), manifest.files)
    assert manifest.files.keys() == {"model.keras", "model.onnx"}
    assert (manifest.input.name, manifest.input.shape, manifest.input.dtype) == ("image", (None, 8, 8, 1), "uint8")
    assert (manifest.output.name, manifest.output.shape) == ("probabilities", (None, 2))
    assert manifest.output.dtype == "float32"
    assert manifest.encoded_images == Preprocessing(8, 8, 1, "pad")  # the set has none
    assert manifest.classes == ("dark", "<bright>")
    assert manifest.versions.keys() >= {"python", "tensorflow", "keras", "onnxruntime"}


def test_the_onnx_export_predicts_as_keras_does_for_any_batch_size(
    trained: tuple[TrainResult, Path], data: Path
) -> None:
    _, folder = trained
    images = np.random.default_rng(5).integers(0, 256, (50, 8, 8, 1), np.uint8)
    expected = keras.models.load_model(folder / "model" / "model.keras")(images).numpy()
    session = onnxruntime.InferenceSession(folder / "model" / "model.onnx")
    exported = session.run(["probabilities"], {"image": images})[0]
    singly = np.concatenate([session.run(None, {"image": images[row : row + 1]})[0] for row in range(50)])
    assert exported.dtype == np.float32
    np.testing.assert_allclose(exported, expected, atol=export.TOLERANCE)
    np.testing.assert_allclose(singly, exported, atol=1e-6)


def test_the_onnx_export_predicts_the_same_for_a_flipped_image(trained: tuple[TrainResult, Path]) -> None:
    _, folder = trained
    images = np.random.default_rng(5).integers(0, 256, (50, 8, 8, 1), np.uint8)
    session = onnxruntime.InferenceSession(folder / "model" / "model.onnx")
    predictions = [session.run(None, {"image": shown})[0] for shown in (images, images[:, :, ::-1])]
    np.testing.assert_allclose(*predictions, atol=1e-6)


def test_there_is_no_test_time_augmentation_without_flips_in_training(data: Path, tmp_path: Path) -> None:
    train_model(
        data, tmp_path / "model", epochs=1, batch_size=32, learning_rate=0.001
    )  # probabilities are not saturated yet
    images = np.random.default_rng(5).integers(0, 256, (50, 8, 8, 1), np.uint8)
    session = onnxruntime.InferenceSession(tmp_path / "model" / "model.onnx")
    predictions = [session.run(None, {"image": shown})[0] for shown in (images, images[:, :, ::-1])]
    assert np.abs(predictions[0] - predictions[1]).max() > 1e-4


def test_the_default_batch_size_is_the_architectures(
    make_set: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    batches = Split.training_batches

    def spied(split: Split, batch_size: int, *others: Any) -> ShuffledBatches:
        sizes.append(batch_size)
        return batches(split, batch_size, *others)

    monkeypatch.setattr(Split, "training_batches", spied)
    for count, architecture in ((2500, "lean"), (5000, "original"), (400, "lean"), (40, "lean")):
        train_model(make_set(count, (18, 18, 1)), tmp_path / f"{count}", architecture=architecture, epochs=1)
    # lean reads some batches twice, to recompute the averages of batch normalization after few steps.
    assert sizes[0] == sizes[1] == ARCHITECTURES["lean"].batch_size
    assert sizes[2] == ARCHITECTURES["original"].batch_size
    assert 20 < sizes[3] < 25
    assert sizes[-1] == SMALL_BATCH


def test_the_saved_network_has_keras_layers_only(trained: tuple[TrainResult, Path]) -> None:
    _, folder = trained
    model = keras.models.load_model(folder / "model" / "model.keras")
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    trained: tuple[TrainResult, Path], data: Path, tmp_path: Path
) -> None:
    result, folder = trained

    def weights(model: Path) -> list[np.ndarray]:
        return keras.models.load_model(model / "model.keras").get_weights()

    again = train_model(data, tmp_path / "again", **SETTINGS)
    train_model(data, tmp_path / "other", seed=14, **SETTINGS)
    pairs = list(zip(weights(folder / "model"), weights(tmp_path / "again"), strict=True))
    assert all((first == second).all() for first, second in pairs)
    assert [epoch.metrics() for epoch in again.history] == [epoch.metrics() for epoch in result.history]
    assert not np.array_equal(weights(folder / "model")[0], weights(tmp_path / "other")[0])


def test_the_original_architecture_trains_on_all_images_without_a_split(
    make_set: Callable[..., Path], tmp_path: Path
) -> None:
    data = make_set(40, (18, 18, 3))
    settings = {"epochs": 1, "batch_size": 64, "validation_fraction": 0}
    result = train_model(data, tmp_path / "model", architecture="original", **settings)
    assert result.history[0].validation_loss is None
    assert result.manifest.metrics.keys() == {"loss", "accuracy"}
    assert result.manifest.input.shape == (None, 18, 18, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs is 0; must be 1"),
        ({"batch_size": -1}, "batch_size is -1; must be 1"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0; must be positive"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; must be positive"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0; must be 0 or more and less than 1"),
        ({"validation_fraction": -0.1}, "validation_fraction is -0.1"),
        ({"seed": -1}, "seed is -1"),
        (
            {"architecture": "resnet"},
            "architecture is 'resnet'; must be lean, original, .*, or package.module:function",
        ),
        (
            {"architecture": "original"},
            "images are 8x8; architecture original needs at least 18x18 pixels",
        ),
    ],
)
def test_invalid_settings_are_reported_in_one_line(
    data: Path, tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(TrainingError, match=message) as caught:
        train_model(data, tmp_path / "model", **settings)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_set_with_one_class_is_rejected(make_set: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="all 20 images have the same class; at least two"):
        train_model(make_set(20, labels=[1] * 20), tmp_path / "model")


def test_a_set_too_small_for_the_split_is_rejected(make_set: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 images are too few for validation_fraction=0\.1"):
        train_model(make_set(2, labels=[0, 1]), tmp_path / "model")


def test_a_missing_image_set_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        train_model(tmp_path / "nothing", tmp_path / "model")


def test_diverged_training_fails_and_writes_nothing(make_set: Callable[..., Path], tmp_path: Path) -> None:
    data = make_set(40, (18, 18, 1))
    with pytest.raises(
        TrainingError, match=r"diverged: loss nan in epoch 1 at learning rate 1e\+30; lower learning_rate"
    ):
        train_model(data, tmp_path / "model", architecture="original", learning_rate=1e30, batch_size=8)
    assert not list(tmp_path.iterdir())


def test_an_export_that_differs_from_keras_is_rejected(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(model: keras.Model) -> keras.Model:
        return keras.models.clone_model(model)  # new weights

    monkeypatch.setattr(export, "with_stock_layers", stale)
    with pytest.raises(ModelError, match=r"probabilities of model\.onnx differ from those of Keras by"):
        train_model(data, tmp_path / "model", epochs=1)
    assert not list(tmp_path.iterdir())


def test_progress_is_written_to_the_event_file(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFP_AZUREML_EVENTS", str(tmp_path / "events"))
    options = ["--input-data", str(data), "--outputs", str(tmp_path / "outputs"), "--epochs", "1"]
    done = CliRunner().invoke(component_command("train"), options)
    assert done.exit_code == 0, done.output
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    (epoch,) = [event for event in events if event.get("message", "").startswith("epoch 1/1: loss")]
    assert (epoch["step"], epoch["fraction"]) == ("train", 1.0)
    assert "validation loss" in epoch["message"]


def test_settings_are_validated_before_tensorflow_is_imported(data: Path, tmp_path: Path) -> None:
    program = (
        f"import sys\nsys.path.append({str(Path(step_calls.__file__).parent)!r})\nfrom pathlib import Path\n"
        "from kfp_azureml.runtime.errors import TrainingError\nfrom step_calls import train_model\n"
        f"try: train_model(Path({str(data)!r}), Path({str(tmp_path / 'model')!r}), architecture='original')\n"
        "except TrainingError: print('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
