"""Initial weights: files of Keras in each format, what does not fit, and what must not be loaded."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from kfp_azureml.runtime.errors import DataError, TrainingError
from kfp_azureml.steps.train import photo_networks
from kfp_azureml.steps.train.initial_weights import fetched_weights, load_initial_weights
from kfp_azureml.steps.train.settings import TrainingSettings
from step_calls import train_model, training_settings


def application(
    *, include_top: bool, classes: int = 1000, pooling: str | None = None, **_options: object
) -> keras.Model:
    """Build a small network as Keras Applications build theirs."""
    image = keras.Input((32, 32, 3))
    features = image
    for filters in (4, 6):
        features = layers.Conv2D(filters, 3, strides=2, use_bias=False)(features)
        features = layers.ReLU()(layers.BatchNormalization()(features))
    features = layers.GlobalAveragePooling2D()(features)
    if include_top:
        features = layers.Dense(classes, activation="softmax")(layers.Dropout(0.1)(features))
    return keras.Model(image, features)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace an application by a small one."""
    monkeypatch.setattr(keras.applications, "MobileNetV3Small", application)


def settings(path: Path | str, **given: object) -> TrainingSettings:
    return training_settings(architecture="mobilenet_v3_small", initial_weights=str(path), **given)


def randomized(model: keras.Model) -> keras.Model:
    rng = np.random.default_rng(1)
    model.set_weights([rng.random(weight.shape) for weight in model.get_weights()])
    return model


def save(model: keras.Model, path: Path) -> Path:
    (model.save_weights if path.name.endswith(".weights.h5") else model.save)(path)
    return path


def loaded(path: Path) -> list[np.ndarray]:
    base = photo_networks.photo_network("MobileNetV3Small")((32, 32, 3), 2).get_layer("base")
    load_initial_weights(base, path, settings(path))
    return base.get_weights()


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", ["w.weights.h5", "w.keras", "w.h5"])
@pytest.mark.parametrize("include_top", [False, True])
def test_every_format_with_and_without_top(tmp_path: Path, name: str, include_top: bool) -> None:
    source = randomized(application(include_top=include_top))
    weights = loaded(save(source, tmp_path / name))
    assert len(weights) == 10
    for found, expected in zip(weights, source.get_weights(), strict=False):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("tiny")
def test_the_model_of_another_training_with_other_classes(make_set: Callable[..., Path], tmp_path: Path) -> None:
    data = make_set(60, (32, 32, 3))
    train_model(data, tmp_path / "first", architecture="mobilenet_v3_small", epochs=1)
    first = keras.models.load_model(tmp_path / "first" / "model.keras").get_layer("base")
    weights = loaded(tmp_path / "first" / "model.keras")
    for found, expected in zip(weights, first.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("tiny")
def test_the_base_is_frozen_first_and_then_trained(make_set: Callable[..., Path], tmp_path: Path) -> None:
    source = save(randomized(application(include_top=False)), tmp_path / "w.keras")
    given = {"architecture": "mobilenet_v3_small", "initial_weights": str(source)}
    data = make_set(60, (32, 32, 3))

    def trained(**more: object) -> list[np.ndarray]:
        folder = tmp_path / f"model-{more}"
        train_model(data, folder, **given, **more)
        return keras.models.load_model(folder / "model.keras").get_layer("base").get_weights()

    before = keras.models.load_model(source).get_weights()
    frozen = trained(epochs=2, frozen_epochs=2)
    # The averages of batch normalization too.
    assert all((one == other).all() for one, other in zip(before, frozen, strict=True))
    assert not any((one == other).all() for one, other in zip(before, trained(epochs=2, frozen_epochs=1), strict=True))


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a .keras, .weights.h5 or .h5 file of Keras, or is damaged"),
        (b"<html>", "is not a .keras"),
        (b"PK\x05\x06" + bytes(18), r"is not a .keras.*model\.weights\.h5"),
    ],
)
def test_what_is_no_weights_file_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "w.h5").write_bytes(content)
    with pytest.raises(TrainingError, match=f"^initial_weights: .*w.h5 {message}") as caught:
        loaded(tmp_path / "w.h5")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", ["w.weights.h5", "w.h5"])
def test_weights_of_another_network_do_not_fit(tmp_path: Path, name: str) -> None:
    image = keras.Input((32, 32, 3))
    other = keras.Model(image, layers.Conv2D(5, 3, use_bias=False)(image))
    with pytest.raises(TrainingError, match="does not fit the base of mobilenet_v3_small: ") as caught:
        loaded(save(other, tmp_path / name))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("name", ["w.keras", "w.h5"])
def test_code_in_a_model_file_is_not_run(tmp_path: Path, name: str) -> None:
    ran = str(tmp_path / "ran")
    source = application(include_top=True)
    evil = keras.Model(source.inputs, layers.Lambda(lambda x: (open(ran, "w").close(), x)[1])(source.outputs[0]))  # noqa: PTH123
    save(evil, tmp_path / name)
    Path(ran).unlink(missing_ok=True)  # saving calls the function
    loaded(tmp_path / name)
    assert not Path(ran).exists()


@pytest.mark.usefixtures("tiny")
def test_arrays_of_other_files_are_not_read(tmp_path: Path) -> None:
    path = save(application(include_top=False), tmp_path / "w.weights.h5")
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(4 * 4))
    with h5py.File(path, "r+") as file:
        array = "layers/batch_normalization/vars/0"
        del file[array]
        file.create_dataset(array, (4,), "f4", external=[(str(secret), 0, 16)])
    with pytest.raises(TrainingError, match="vars/0 is in another file"):
        loaded(path)
    with h5py.File(path, "r+") as file:
        del file[array]
        file[array] = h5py.ExternalLink(str(path), "layers/batch_normalization/vars/1")
    with pytest.raises(TrainingError, match=f"it has no array {array}"):
        loaded(path)


def test_the_file_comes_from_a_path_and_its_sha256_is_checked(tmp_path: Path) -> None:
    (tmp_path / "w.h5").write_bytes(b"weights")
    sha256 = hashlib.sha256(b"weights").hexdigest()
    with fetched_weights(settings(tmp_path / "w.h5", initial_weights_sha256=sha256.upper())) as copy:
        assert copy.read_bytes() == b"weights"
    assert not copy.exists()
    with (
        pytest.raises(DataError, match=f"w.h5 has the sha256 {sha256}, not {'0' * 64}"),
        fetched_weights(settings(tmp_path / "w.h5", initial_weights_sha256="0" * 64)),
    ):
        pytest.fail("accepted")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("gone.h5", "^initial_weights: gone.h5: No such file or directory$"),
        ("file:///tmp/gone.h5", "^initial_weights: /tmp: gone.h5 not found"),
        ("http://user:geheim@127.0.0.1:9/w.h5?sig=geheim", r"^initial_weights: http://127\.0\.0\.1:9: cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(address: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught, fetched_weights(settings(address)):
        pytest.fail("read")
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("architecture", ["lean", "original"])
def test_a_network_for_small_images_takes_none(architecture: str) -> None:
    with pytest.raises(TrainingError, match=f"initial_weights is set, but architecture {architecture} takes none"):
        training_settings(architecture=architecture, initial_weights="w.keras")


@pytest.mark.parametrize("address", ["hf://keras/mobilenet", "gs://bucket/w.h5", "azureml:weights:1"])
def test_an_address_elsewhere_is_one_line_that_names_the_schemes(address: str) -> None:
    with pytest.raises(TrainingError, match=f"^initial_weights is {address}; must be a path, or a URI .* abfss, .* s3"):
        settings(address)


def test_an_own_network_without_a_base_takes_none(
    make_set: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w"):
        pass
    (tmp_path / "w.keras").write_bytes(packed.getvalue())
    (tmp_path / "without_base.py").write_text(
        "from kfp_azureml.steps.train.architectures import build_lean as build\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TrainingError, match="without_base:build has no layer named 'base', which initial_weights are"):
        train_model(
            make_set(40),
            tmp_path / "model",
            architecture="without_base:build",
            initial_weights=str(tmp_path / "w.keras"),
        )
