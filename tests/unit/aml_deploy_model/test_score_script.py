"""The entry script in process; against the real inference server it runs in tests/e2e."""

import base64
import importlib.util
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from kfp_azureml.aml_deploy_model.environment import SERVING_FOLDER
from tiny_classifier import CLASSES, predict, tiny_images, write_tiny_model

IMAGE = base64.b64encode(bytes(16)).decode()


@pytest.fixture
def folder(tmp_path):
    return write_tiny_model(tmp_path / "azureml-models" / "net" / "1" / "model")


@pytest.fixture
def script(tmp_path, folder, monkeypatch):
    """The script, loaded as the inference server loads it."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("entry_module", SERVING_FOLDER / "score.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "entry_module", module)
    spec.loader.exec_module(module)
    server = SimpleNamespace(AMLResponse=lambda message, status, json_str: (status, message))
    monkeypatch.setitem(sys.modules, "azureml_inference_server_http.api.aml_response", server)
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path / "azureml-models"))
    module.init()
    return module


def as_base64(images):
    return [base64.b64encode(image.tobytes()).decode() for image in images]


@pytest.mark.parametrize(
    "encode",
    [as_base64, lambda images: images.tolist(), lambda images: images[..., 0].tolist()],
    ids=["base64", "numbers", "numbers without a channel"],
)
@pytest.mark.parametrize("field", ["images", "input_data", "data"])
def test_answers_as_the_model_does(script, folder, encode, field):
    images = tiny_images(7)
    answer = script.run(json.dumps({field: encode(images)}))
    expected = predict(folder, images)
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-5)
    for prediction, row in zip(answer["predictions"], expected, strict=True):
        assert prediction["index"] == row.argmax()
        assert prediction["label"] == CLASSES[row.argmax()]
        assert prediction["probability"] == pytest.approx(row.max(), rel=1e-5)
    json.dumps(answer)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", 'expected {"images"'),
        ("{}", 'expected {"images"'),
        ('{"images": []}', 'expected {"images"'),
        ('{"images": "AAAA"}', 'expected {"images"'),
        (json.dumps({"images": [IMAGE] * 1001}), "at most 1000"),
        (json.dumps({"images": [IMAGE, "?"]}), "image 1: not base64"),
        (json.dumps({"images": ["ä"]}), "image 0: not base64"),
        (json.dumps({"images": ["AAAA"]}), "image 0: 3 bytes, expected 16"),
        (json.dumps({"images": [None]}), "image 0: expected base64 text or nested lists"),
        (json.dumps({"images": [[[0, 1], [2]]]}), "image 0: its rows differ in length"),
        (json.dumps({"images": [[[0] * 4] * 3]}), "image 0: its shape is [3, 4], expected [4, 4, 1]"),
        (json.dumps({"images": [[]]}), "image 0: its shape is [0]"),
        (json.dumps({"images": [[[256] * 4] * 4]}), "whole numbers from 0 to 255"),
        (json.dumps({"images": [[[-1] * 4] * 4]}), "whole numbers from 0 to 255"),
        (json.dumps({"images": [[[0.5] * 4] * 4]}), "whole numbers from 0 to 255"),
        (json.dumps({"images": [[[True] * 4] * 4]}), "whole numbers from 0 to 255"),
        (json.dumps({"images": [[["a"] * 4] * 4]}), "whole numbers from 0 to 255"),
        (json.dumps({"images": [[[10**30] * 4] * 4]}), "whole numbers from 0 to 255"),
    ],
)
def test_a_bad_request_is_the_callers_and_one_line(script, body, said):
    status, message = script.run(body)
    assert status == 400
    assert said in message["error"]
    assert "\n" not in message["error"]


def test_one_model_is_needed(script, folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected one model\.onnx"):
        script.load(tmp_path / "nowhere")
    write_tiny_model(folder.parent / "second")
    with pytest.raises(FileNotFoundError, match=r"expected one model\.onnx"):
        script.load(tmp_path / "azureml-models")


def test_stands_alone():
    """The endpoint's environment has NumPy and ONNX Runtime, and nothing of this project."""
    source = (SERVING_FOLDER / "score.py").read_text()
    assert "kfp_azureml" not in source
