"""Train ignores the user's Keras settings."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import step_calls
from kfp_azureml.models.model_folder import read_manifest

SUPPORT = Path(step_calls.__file__).parent
CHANNELS_FIRST = {"image_data_format": "channels_first"}


def train(data: Path, folder: Path, architecture: str = "lean", **environ: str) -> Path:
    """Train in a new process, as a step does, and return the model folder."""
    arguments = {"--input-data": data, "--output-model": folder, "--epochs": 1, "--architecture": architecture}
    command = [
        *(Path(sys.executable).with_name("kfp-azureml"), "step", "train", "--outputs", str(folder.parent / "outputs")),
        *(str(part) for pair in arguments.items() for part in pair),
    ]
    done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def data(make_set: Callable[..., Path]) -> Path:
    return make_set(shape=(18, 18, 1))


@pytest.fixture(scope="module")
def expected(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Return the metrics of a training without user settings."""
    home = tmp_path_factory.mktemp("home")
    metrics = read_manifest(train(data, home / "model", HOME=str(home))).metrics
    assert not (home / ".keras").exists()
    return metrics


@pytest.mark.parametrize(
    "settings",
    [
        CHANNELS_FIRST,
        {"floatx": "float16"},
        {"floatx": "float64", "epsilon": 0.1},
        {"floatx": "nonsense", "image_data_format": 7, "epsilon": "x"},
        {"floatx": "float64", "backend": "torch", "nnx_enabled": True, **CHANNELS_FIRST},
    ],
    ids=str,
)
def test_keras_json_is_ignored(
    data: Path, tmp_path: Path, expected: dict[str, float], settings: dict[str, object]
) -> None:
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps(settings))
    model = train(data, tmp_path / "model", HOME=str(tmp_path))
    assert read_manifest(model).metrics == pytest.approx(expected, rel=1e-5)
    assert json.loads((tmp_path / ".keras" / "keras.json").read_text()) == settings


@pytest.mark.parametrize(
    "environ",
    [
        {"KERAS_BACKEND": "jax", "KERAS_NNX_ENABLED": "true", "KERAS_MAX_EPOCHS": "many"},
        {"TF_USE_LEGACY_KERAS": "1", "XLA_FLAGS": "--no_such_flag=1", "TF_XLA_FLAGS": "--tf_xla_auto_jit=2"},
    ],
    ids=str,
)
def test_environment_variables_are_ignored(
    data: Path, tmp_path: Path, expected: dict[str, float], environ: dict[str, str]
) -> None:
    model = train(data, tmp_path / "model", **environ)
    assert read_manifest(model).metrics == pytest.approx(expected, rel=1e-5)


def test_keras_home_is_ignored_for_the_other_network_too(data: Path, tmp_path: Path) -> None:
    (tmp_path / "keras.json").write_text(json.dumps({"floatx": "float16", **CHANNELS_FIRST}))
    train(data, tmp_path / "model", architecture="original", KERAS_HOME=str(tmp_path))


IMPORTED_BEFORE = """
import keras, sys
from pathlib import Path
keras.config.set_image_data_format("channels_first")
keras.config.set_floatx("float64")
keras.config.set_dtype_policy("mixed_float16")
sys.path.append(sys.argv[3])
from step_calls import train_model
train_model(Path(sys.argv[1]), Path(sys.argv[2]), epochs=1)
"""


def test_settings_of_the_same_process_are_ignored(data: Path, tmp_path: Path, expected: dict[str, float]) -> None:
    environ = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    subprocess.run([sys.executable, "-c", IMPORTED_BEFORE, data, tmp_path / "model", SUPPORT], env=environ, check=True)
    assert read_manifest(tmp_path / "model").metrics == pytest.approx(expected, rel=1e-5)
