"""The entry script in process; against the real inference server it runs in tests/e2e."""

import base64
import importlib.util
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from kfp_azureml.azureml.rollout.environment import SERVING_FOLDER
from tiny_classifier import CLASSES, predict, tiny_images, write_tiny_model

IMAGE = base64.b64encode(bytes(16)).decode()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


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


def with_line_breaks(content, length=7):
    text = base64.b64encode(content).decode()
    return "".join(f"{text[start : start + length]}\n" for start in range(0, len(text), length))


SPELLINGS = {
    "base64.encodebytes": lambda content: base64.encodebytes(content).decode(),
    "base64 -w76": lambda content: with_line_breaks(content, 76),
    "short lines": with_line_breaks,
    "CRLF": lambda content: with_line_breaks(content).replace("\n", "\r\n"),
    "indented": lambda content: with_line_breaks(content).replace("\n", "\n    "),
    "URL-safe": lambda content: base64.urlsafe_b64encode(content).decode(),
    "no padding": lambda content: base64.b64encode(content).decode().rstrip("="),
    "URL-safe without padding": lambda content: base64.urlsafe_b64encode(content).decode().rstrip("="),
    "data URL": lambda content: "data:application/octet-stream;base64," + base64.b64encode(content).decode(),
    "data URL with lines": lambda content: "data:;base64," + with_line_breaks(content),
    "data URL with a parameter": lambda content: "DATA:image/x;a=b;base64," + base64.b64encode(content).decode(),
}


@pytest.mark.parametrize("encode", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("raw", [False, True], ids=["escaped", "in a shell's quotes"])
def test_base64_is_taken_as_any_tool_writes_it(script, folder, encode, raw):
    images = tiny_images(3)
    images[0] = 0xFB  # whose base64 has + and /
    body = json.dumps({"images": [encode(image.tobytes()) for image in images]})
    body = body.replace("\\n", "\n").replace("\\r", "\r") if raw else body
    np.testing.assert_allclose(script.run(body)["probabilities"], predict(folder, images), rtol=1e-5)


def changed(**members):
    def change(folder):
        manifest = json.loads((folder / "model.json").read_text())
        (folder / "model.json").write_text(json.dumps(manifest | members))

    return change


def written(name, content):
    return lambda folder: (folder / name).write_bytes(content)


TENSOR = {"name": "images", "shape": [None, 4, 4, 1], "dtype": "uint8"}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (written("model.onnx", b"junk" * 50), r"model\.onnx: ONNX Runtime cannot run it: "),
        (written("model.onnx", b""), r"model\.onnx: ONNX Runtime cannot run it: "),
        (written("model.json", b"<html>"), r"model\.json: not a manifest of train \(JSONDecodeError"),
        (written("model.json", b"[" * 100_000), r"model\.json: not a manifest of train \(RecursionError"),
        (written("model.json", b"[]"), "not a manifest of train"),
        (written("model.json", b"{}"), "not a manifest of train"),
        (changed(input=3), "not a manifest of train"),
        (changed(input={**TENSOR, "shape": [None, 4, 4]}), "not a manifest of train"),
        (changed(input={**TENSOR, "shape": [None, 4, 4, "x"]}), r"images of \[4, 4, 'x'\]; expected height"),
        (changed(input={**TENSOR, "shape": [None, 10**9, 10**9, 1]}), "expected height, width and channels"),
        (changed(input={**TENSOR, "dtype": "nonsense"}), "not a manifest of train"),
        (changed(input={**TENSOR, "name": "other"}), r"model\.onnx: its inputs are .*; model\.json names other"),
        (changed(output={"name": "other", "shape": [None, len(CLASSES)], "dtype": "float32"}), "its outputs are "),
        (changed(classes=[]), "0 classes do not fit the output's shape"),
        (changed(classes=["one"]), "1 classes do not fit the output's shape"),
        (changed(output=[]), "not a manifest of train"),
    ],
)
def test_a_damaged_model_is_said_when_it_is_loaded(script, folder, damage, said):
    damage(folder)
    with pytest.raises(script.BadModelError, match=said) as refused:
        script.init()
    assert "\n" not in str(refused.value)


def test_a_manifest_of_windows_is_read(script, folder):
    text = (folder / "model.json").read_text()
    for encoding in ("utf-8-sig", "utf-16"):
        (folder / "model.json").write_bytes(text.encode(encoding))
        assert script.load(folder).classes == tuple(CLASSES)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", 'expected {"images"'),
        ("{}", 'expected {"images"'),
        ('{"images": []}', 'expected {"images"'),
        ('{"images": "AAAA"}', 'expected {"images"'),
        (json.dumps({"images": [IMAGE] * 1001}), "the limit is 1000"),
        (json.dumps({"images": [IMAGE, "?"]}), "image 1: not base64"),
        (json.dumps({"images": ["ä"]}), "image 0: not base64"),
        (json.dumps({"images": ["AAAA"]}), "image 0: 3 bytes, expected 16"),
        (json.dumps({"images": ["AA?A"]}), "image 0: not base64: '?' at position 2"),
        (json.dumps({"images": ["AA\\nAA"]}), "image 0: not base64: '\\\\' at position 2"),
        (json.dumps({"images": ["AA%2BA"]}), "image 0: not base64: '%' at position 2"),
        (json.dumps({"images": ["AA==AAAA"]}), "image 0: not base64: '=' at position 2"),
        (json.dumps({"images": ["AAAAA"]}), "image 0: not base64: invalid length (5 characters)"),
        (json.dumps({"images": ["data:text/plain,abc"]}), "image 0: a data: URL without ;base64"),
        (
            json.dumps({"images": ["data:image/png;base64," + base64.b64encode(PNG).decode()]}),
            "image 0: 24 bytes, expected 16 (height 4 x width 4 x channels 1): it is a PNG file; send its pixels",
        ),
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
