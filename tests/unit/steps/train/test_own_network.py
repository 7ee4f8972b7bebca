"""Networks of the user's own."""

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from kfp_azureml.models.model_folder import read_manifest
from kfp_azureml.models.onnx_session import open_session
from kfp_azureml.runtime.errors import TrainingError
from kfp_azureml.steps.train.own_network import is_reference, own_architecture
from pages import ROOT
from step_calls import train_model

MODULE = """
import keras
from keras import layers


def build(shape, classes):
    image = keras.Input(shape)
    features = layers.Flatten()(layers.Rescaling(1 / 255)(image))
    return keras.Model(image, layers.Dense(classes, activation="softmax")(features))


def logits(shape, classes):
    image = keras.Input(shape)
    return keras.Model(image, layers.Dense(classes)(layers.Flatten()(image)))


def with_top(shape, classes):
    return build(shape, classes + 1)


def too_deep(shape, classes):
    for _ in range(9):
        shape = (shape[0] // 2, shape[1] // 2, shape[2])
    if not shape[0]:
        raise ValueError("nothing left\\nof it")


def nothing(shape, classes):
    return None


number = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "modules" / "my_networks"
    folder.mkdir(parents=True)
    (folder / "small.py").write_text(MODULE)
    (folder / "broken.py").write_text("import nowhere")
    monkeypatch.syspath_prepend(folder.parent)
    for name in [name for name in sys.modules if name.startswith("my_networks")]:
        monkeypatch.delitem(sys.modules, name)


def test_a_function_in_a_module_builds_the_network(make_set: Callable[..., Path], tmp_path: Path) -> None:
    settings = {"epochs": 15, "learning_rate": 0.01}
    result = train_model(make_set(), tmp_path / "model", architecture="my_networks.small:build", **settings)
    assert read_manifest(tmp_path / "model").architecture == "my_networks.small:build"
    assert result.history[-1].accuracy > 0.9
    # Its input is float32; clients send uint8 all the same.
    images = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 1), np.uint8)
    exported = open_session(tmp_path / "model" / "model.onnx").run(None, {"image": images})[0]
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "model" / "model.keras")(images), exported, atol=1e-5)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("my_networks.gone:build", "cannot be imported: ModuleNotFoundError: No module named 'my_networks.gone'; dock"),
        ("my_networks.broken:build", "cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("my_networks.small:gone", "cannot be imported: AttributeError: module .* has no attribute 'gone'"),
        ("my_networks.small:number", "number is int, not a function"),
        ("my_networks.small:too_deep", r"failed for images of \(8, 8, 1\) and 2 classes: ValueError: nothing left$"),
        ("my_networks.small:nothing", "returned NoneType; expected a keras.Model"),
        ("my_networks.small:with_top", r"its output is \(None, 3\); expected \(None, 2\)"),
        ("my_networks.small:logits", "its output is not probabilities; end with a softmax"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(reference: str, message: str) -> None:
    with pytest.raises(TrainingError, match=f"^architecture {reference}: {message}") as caught:
        own_architecture(reference).build((8, 8, 1), 2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["lean", "a:b:c", ":b", "a:", "a.:b", "a b:c", "1a:b", "os; x:y"])
def test_what_is_no_reference(text: str) -> None:
    assert not is_reference(text)


def test_the_example_in_the_documentation_works(tmp_path: Path) -> None:
    readme = (ROOT / "docker" / "README.md").read_text()
    (tmp_path / "modules" / "my_networks" / "__init__.py").write_text(readme.split("```python\n")[1].split("```")[0])
    model = own_architecture("my_networks:build").build((32, 40, 3), 4)
    assert (model.input_shape, model.output_shape) == ((None, 32, 40, 3), (None, 4))
