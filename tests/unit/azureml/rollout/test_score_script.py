"""The entry script in process; against the real inference server it runs in tests/e2e."""

import base64
import io
import json
import re
import sys
import warnings
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate
from PIL import Image

import bombs
from entry_script import MODULES, Request, entry_script
from kfp_azureml.azureml.rollout.environment import SERVING_FOLDER
from kfp_azureml.imagesets import preprocessing
from kfp_azureml.imagesets.preprocessing import Preprocessing, decode
from kfp_azureml.imagesets.reader import open_image_set
from pictures import encoded, every_kind, noise
from step_calls import prep_data
from tiny_classifier import CLASSES, predict, tiny_images, write_tiny_model

IMAGE = base64.b64encode(bytes(16)).decode()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


@pytest.fixture
def folder(tmp_path):
    return write_tiny_model(tmp_path / "azureml-models" / "net" / "1" / "model")


@pytest.fixture
def script(tmp_path, folder, monkeypatch):
    """The script, loaded as the inference server loads it."""
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path / "azureml-models"))
    monkeypatch.setenv("AML_APP_ROOT", str(tmp_path))
    with entry_script() as module:
        module.init()
        yield module


def ask(script, body, content_type="application/json"):
    return script.run(Request(body.encode() if isinstance(body, str) else body, content_type))


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
    answer = ask(script, json.dumps({field: encode(images)}))
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
    np.testing.assert_allclose(ask(script, body)["probabilities"], predict(folder, images), rtol=1e-5)


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
    with pytest.raises(sys.modules["classifier"].BadModelError, match=said) as refused:
        script.init()
    assert "\n" not in str(refused.value)


def test_a_manifest_of_windows_is_read(script, folder):
    text = (folder / "model.json").read_text()
    for encoding in ("utf-8-sig", "utf-16"):
        (folder / "model.json").write_bytes(text.encode(encoding))
        assert sys.modules["classifier"].load(folder).classes == tuple(CLASSES)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "the body is empty"),
        (b"\xff\xfe{", "not JSON"),
        ('{"images": [', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", 'expected {"images"'),
        ("{}", 'expected {"images"'),
        ('{"images": []}', 'expected {"images"'),
        ('{"images": "AAAA"}', 'expected {"images"'),
        (json.dumps({"images": [IMAGE] * 1001}), "the limit is 1000"),
        (json.dumps({"images": [IMAGE, "?"]}), "image 1: not base64"),
        (json.dumps({"images": ["ä"]}), "image 0: not base64"),
        (
            json.dumps({"images": ["AAAA"]}),
            "image 0: not an image file, and not its pixels: 3 bytes, expected 16 (height 4 x width 4 x channels 1)",
        ),
        (json.dumps({"images": [""]}), "image 0: not an image file, and not its pixels: 0 bytes, expected 16"),
        (json.dumps({"images": [[IMAGE, IMAGE]]}), "image 0: it has 2 rows, expected 4"),
        (json.dumps({"input_data": {"columns": ["image"]}}), 'expected {"images"'),
        (json.dumps({"input_data": {"columns": ["image"], "data": {}}}), 'expected {"images"'),
        (json.dumps({"images": ["AA?A"]}), "image 0: not base64: '?' at position 2"),
        (json.dumps({"images": ["AA\\nAA"]}), "image 0: not base64: '\\\\' at position 2"),
        (json.dumps({"images": ["AA%2BA"]}), "image 0: not base64: '%' at position 2"),
        (json.dumps({"images": ["AA==AAAA"]}), "image 0: not base64: '=' at position 2"),
        (json.dumps({"images": ["AAAAA"]}), "image 0: not base64: invalid length (5 characters)"),
        (json.dumps({"images": ["data:text/plain,abc"]}), "image 0: a data: URL without ;base64"),
        (
            json.dumps({"images": ["data:image/png;base64," + base64.b64encode(PNG).decode()]}),
            "image 0: not an image, or damaged at its start",
        ),
        (json.dumps({"images": [None]}), "image 0: expected base64 text or nested lists"),
        (json.dumps({"images": [[[0] * 4] * 3]}), "image 0: it has 3 rows, expected 4"),
        (json.dumps({"images": [[]]}), "image 0: it has 0 rows, expected 4"),
        (json.dumps({"images": [[[0] * 4] * 3 + [[2]]]}), "image 0: row 3 is not a list of 4 pixels"),
        (json.dumps({"images": [[0] * 4]}), "image 0: row 0 is not a list of 4 pixels"),
        (json.dumps({"images": [[[[0]] * 4] * 3 + [[[0, 1]] * 4]]}), "image 0: its pixels differ in length"),
        (json.dumps({"images": [[[[0, 1]] * 4] * 4]}), "image 0: its shape is [4, 4, 2], expected [4, 4, 1]"),
        (json.dumps({"images": [[[256] * 4] * 4]}), "whole numbers from 0 to 255"),
        (json.dumps({"images": [[[-1] * 4] * 4]}), "whole numbers from 0 to 255"),
        (json.dumps({"images": [[[0.5] * 4] * 4]}), "whole numbers from 0 to 255"),
        (json.dumps({"images": [[[True] * 4] * 4]}), "whole numbers from 0 to 255"),
        (json.dumps({"images": [[["a"] * 4] * 4]}), "whole numbers from 0 to 255"),
        (json.dumps({"images": [[[10**30] * 4] * 4]}), "whole numbers from 0 to 255"),
    ],
)
def test_a_bad_request_is_the_callers_and_one_line(script, body, said):
    status, message = ask(script, body)
    assert status == 400
    assert said in message["error"]
    assert "\n" not in message["error"]


def test_one_model_is_needed(script, folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected one model\.onnx"):
        sys.modules["classifier"].load(tmp_path / "nowhere")
    write_tiny_model(folder.parent / "second")
    with pytest.raises(FileNotFoundError, match=r"expected one model\.onnx"):
        sys.modules["classifier"].load(tmp_path / "azureml-models")


def pixels_given(script, body, content_type="image/png"):
    """Return the pixels that reach the network."""
    read_body, read_images = sys.modules["request_body"].read_body, sys.modules["request_images"].read_images
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    images = read_body(Request(body, content_type))
    return np.stack(list(read_images(images, script.model.shape, script.model.encoded_images)))


PHOTO = encoded(noise(3, (64, 48)), "JPEG")
TEXT = base64.b64encode(PHOTO).decode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (PHOTO, "image/jpeg"),
        (PHOTO, "image/png"),
        (PHOTO, "application/octet-stream"),
        (PHOTO, "application/x-www-form-urlencoded"),
        (PHOTO, ""),
        ({"images": [TEXT]}, "application/json"),
        ({"images": ["data:image/jpeg;base64," + TEXT]}, "application/json"),
        ({"images": [with_line_breaks(PHOTO, 76)]}, "application/problem+json"),
        ({"data": [TEXT]}, "text/plain"),
        ({"input_data": [TEXT]}, ""),
        ({"input_data": {"columns": ["image"], "index": [0], "data": [TEXT]}}, "application/json"),
        ({"input_data": {"columns": ["image"], "data": [[TEXT]]}}, "application/json"),
    ],
)
def test_a_file_is_taken_in_every_way(script, body, content_type):
    expected = np.frombuffer(decode(PHOTO, Preprocessing(4, 4, 1, "pad")), np.uint8).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(pixels_given(script, body, content_type), expected)


def test_files_and_pixels_in_one_request_keep_their_order(script, folder):
    files = [encoded(noise(number, (9, 7))) for number in range(3)]
    pixels = tiny_images(2)
    body = {"images": [as_base64(pixels)[0], *(base64.b64encode(file).decode() for file in files), pixels[1].tolist()]}
    found = pixels_given(script, body, "application/json")
    np.testing.assert_array_equal(found[[0, 4]], pixels)
    for file, image in zip(files, found[1:4], strict=True):
        assert image.tobytes() == decode(file, Preprocessing(4, 4, 1, "pad"))
    np.testing.assert_allclose(ask(script, json.dumps(body))["probabilities"], predict(folder, found), rtol=1e-5)


def test_a_file_with_as_many_bytes_as_pixels_is_a_file(script, monkeypatch):
    file = encoded(Image.new("1", (1, 1)))
    shape, given = (1, len(file), 1), base64.b64encode(file).decode()
    wanted = Preprocessing(*shape, "stretch")
    read = sys.modules["request_images"].read_images
    settings = sys.modules["preprocessing"].Preprocessing(*shape, "stretch")
    assert b"".join(image.tobytes() for image in read([given], shape, settings)) == decode(file, wanted)
    pixels = file[:-1] + b"!"  # no longer a PNG
    pixels = pixels[:20] + bytes(len(pixels) - 20)
    (image,) = read([base64.b64encode(pixels).decode()], shape, settings)
    assert image.tobytes() == pixels


@pytest.mark.parametrize(("resize", "channels"), [("pad", 3), ("crop", 1)])
def test_the_network_gets_the_bytes_that_prep_wrote(script, folder, tmp_path, resize, channels):
    """For every format, mode and orientation, from prep's Parquet and from a model's manifest that train wrote."""
    files = list(every_kind().values())
    for subset in ("train", "test"):
        for number, file in enumerate(files):
            path = tmp_path / "photos" / subset / f"{number:03}" / "image.png"
            path.parent.mkdir(parents=True)
            path.write_bytes(file)
    sets = tmp_path / "training", tmp_path / "test"
    prep_data(str(tmp_path / "photos"), *sets, image_size="5x6", resize=resize, channels=channels)
    training = open_image_set(sets[0])
    assert training.info.preprocessing
    (batch,) = training.batches(len(files))
    tensor = {"name": "images", "shape": [None, 5, 6, channels], "dtype": "uint8"}
    changed(input=tensor, encoded_images=training.info.preprocessing.as_json())(folder)
    script.init()
    assert sorted(batch.labels) == list(range(len(files)))
    for pixels, label in zip(batch.images, batch.labels, strict=True):
        assert pixels_given(script, files[label], "image/jpeg").tobytes() == pixels.tobytes()


@pytest.mark.parametrize("resize", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_copy_decodes_as_the_original(script, resize, channels):
    shape = (5, 6, channels)
    served = sys.modules["preprocessing"].Preprocessing.from_json(
        json.loads(json.dumps(Preprocessing(*shape, resize).as_json())), shape
    )
    for name, file in every_kind().items():
        for image in (file, base64.b64encode(file).decode()):
            (found,) = sys.modules["request_images"].read_images([image], shape, served)
            assert found.tobytes() == decode(file, Preprocessing(*shape, resize)), name


def test_the_settings_of_the_manifest_are_used(script, folder):
    changed(encoded_images=Preprocessing(4, 4, 1, "crop").as_json())(folder)
    script.init()
    assert pixels_given(script, PHOTO).tobytes() == decode(PHOTO, Preprocessing(4, 4, 1, "crop"))
    assert decode(PHOTO, Preprocessing(4, 4, 1, "crop")) != decode(PHOTO, Preprocessing(4, 4, 1, "pad"))


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b"", "image/jpeg", "the body is empty"),
        (b"<html>", "image/jpeg", "image 0: not an image, or damaged at its start"),
        (PHOTO[:-300], "image/jpeg", "image 0: damaged image"),
        (PHOTO, "video/mp4", "content type 'video/mp4': expected application/json"),
        (PHOTO, "application/json", "the body is not JSON"),
        (bombs.png(60_000, 60_000), "image/png", "image 0: more than 89,478,485 pixels"),
        (bombs.png(30_000, 4_000), "image/png", "image 0: 30000x4000 pixels are more than 89,478,485"),
        (bombs.gif(65_535, 65_535), "image/gif", "image 0: more than 89,478,485 pixels"),
        (bombs.tiff(65_535, 65_535), "image/tiff", "image 0: more than 89,478,485 pixels"),
        (bombs.bmp(65_535, 65_535), "image/bmp", "image 0: more than 89,478,485 pixels"),
    ],
)
def test_a_bad_file_is_the_callers_and_one_line(script, body, content_type, said):
    with warnings.catch_warnings(action="ignore"):
        status, message = ask(script, body, content_type)
    assert status == 400
    assert said in message["error"]
    assert "\n" not in message["error"]


def test_the_pixels_of_a_request_are_limited(script, monkeypatch):
    monkeypatch.setattr(sys.modules["request_images"], "MAX_REQUEST_PIXELS", 64 * 48 * 2)
    assert len(ask(script, json.dumps({"images": [TEXT] * 2}))["predictions"]) == 2
    assert ask(script, json.dumps({"images": [TEXT] * 3})) == (
        400,
        {"error": "more than 6,144 pixels in one request: send several requests"},
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[]", "more than 2,097,152 lists in one request: send several requests, or base64"),
        ("[[]]", "more than 2,097,152 lists in one request: send several requests, or base64"),
        ("{}", "more than 10,000 objects and texts in one request"),
        ('"ab"', "more than 10,000 objects and texts in one request"),
    ],
)
def test_millions_of_tiny_values_are_refused_before_they_are_built(script, monkeypatch, value, said):
    monkeypatch.setattr(sys.modules["request_body"].json, "loads", lambda *_: pytest.fail("built"))
    body = '{"images": [' + ",".join([value] * 2_100_000) + "]}"
    assert ask(script, body) == (400, {"error": said})


def test_the_largest_request_of_lists_is_not_refused(script):
    sys.modules["request_body"].parse_body(
        "application/json", json.dumps([[[[0] * 3] * 32] * 32] * 1000).join(('{"images": ', "}")).encode()
    )


def test_a_body_that_is_too_large_is_read_to_its_end(script, monkeypatch):
    monkeypatch.setattr(sys.modules["request_body"], "MAX_BODY_BYTES", 100)
    for body in (PHOTO, b"{" * 101):
        request = Request(body, "image/jpeg", environ={"wsgi.input": io.BytesIO(body)})
        assert script.run(request) == (400, {"error": "the body has more than 100 bytes"})
        assert request.environ["wsgi.input"].read() == b""


def test_a_body_that_breaks_off_is_the_callers(script, monkeypatch):
    request = Request(b"abc", "image/png")
    monkeypatch.setattr(Request, "get_data", lambda _: (_ for _ in ()).throw(OSError("Invalid chunk size: b'ZZ'")))
    assert script.run(request) == (400, {"error": "the body cannot be read (OSError: Invalid chunk size: b'ZZ')"})


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("GET", 405)])
def test_other_methods(script, method, status):
    assert script.run(Request(b"", method=method))[0] == status


@pytest.mark.parametrize(("name", "version"), [("swagger", "2.0"), ("swagger3", "3.0.3"), ("swagger3.1", "3.1.0")])
def test_the_openapi_documents_are_valid_and_those_of_the_model(script, tmp_path, name, version):
    document = json.loads((tmp_path / f"{name}.json").read_text())
    validate(document)
    assert document.get("swagger", document.get("openapi")) == version
    schemas = document["definitions"] if version == "2.0" else document["components"]["schemas"]
    assert schemas["Prediction"]["properties"]["label"]["enum"] == list(CLASSES)
    answer = ask(script, json.dumps({"images": as_base64(tiny_images(2))}))
    resolved = json.loads(json.dumps(schemas).replace("#/components/schemas/", "#/definitions/"))
    jsonschema.validate(answer, {"definitions": resolved, **resolved["ServiceOutput"]})
    assert set(schemas["ServiceOutput"]["properties"]) == set(answer)
    assert set(schemas["Prediction"]["properties"]) == set(answer["predictions"][0])
    taken = document["paths"]["/score"]["post"]
    types = taken["consumes"] if version == "2.0" else list(taken["requestBody"]["content"])
    assert {"application/json", "image/jpeg", "image/png", "image/webp"} <= set(types)


def test_a_folder_that_cannot_be_written_does_not_stop_the_service(script, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AML_APP_ROOT", str(tmp_path / "file"))
    script.init()
    assert "swagger.json: cannot be written (Not a directory); /swagger.json will be generic" in caplog.text


def test_many_images_are_classified_in_batches(script, folder, monkeypatch):
    images = tiny_images(10)
    monkeypatch.setattr(sys.modules["classifier"], "BATCH_BYTES", 48)
    answer = ask(script, json.dumps({"images": as_base64(images)}))
    np.testing.assert_allclose(answer["probabilities"], predict(folder, images), rtol=1e-5)


FILES = list(every_kind(size=(24, 16)).values())


@pytest.fixture(scope="module")
def one_script(tmp_path_factory):
    """One script for all examples of a property."""
    folder = tmp_path_factory.mktemp("fuzz")
    write_tiny_model(folder / "model")
    with pytest.MonkeyPatch.context() as patch, entry_script() as module:
        patch.setenv("AZUREML_MODEL_DIR", str(folder))
        patch.setenv("AML_APP_ROOT", str(folder))
        module.init()
        yield module


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(IMAGE),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["data", "columns"]), inner),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    st.floats(0, 1),
    st.sampled_from(["image/png", "", "application/json", "text/plain", "base64"]),
)
def test_damaged_files_are_answered(one_script, data, changes, kept, content_type):
    broken = bytearray(data)
    for place, value in changes:
        broken[int(place * len(data))] = value
    body = bytes(broken[: int(kept * len(broken))])
    if content_type == "base64":
        body, content_type = json.dumps({"images": [base64.b64encode(body).decode()]}).encode(), "application/json"
    answered(one_script, body, content_type)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["images", "input_data", "data", "other"]), ANY_JSON)
def test_any_json_is_answered(one_script, field, value):
    answered(one_script, json.dumps({field: value}).encode(), "application/json")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=64), st.sampled_from(["", "image/png", "application/json", "application/octet-stream"]))
def test_any_bytes_are_answered(one_script, body, content_type):
    answered(one_script, body, content_type)


def answered(script, body, content_type):
    with warnings.catch_warnings(action="ignore"):
        answer = ask(script, body, content_type)
    if isinstance(answer, dict):
        assert len(answer["predictions"]) >= 1
    else:
        status, message = answer
        assert status == 400
        assert message["error"]
        assert "\n" not in message["error"]


def test_stands_alone():
    """The code folder has no other imports of this project, and preprocessing.py is prep's own file."""
    sources = {path.name: path.read_bytes() for path in SERVING_FOLDER.glob("*.py")}
    assert set(sources) == {"score.py", *(f"{name}.py" for name in MODULES)}
    assert not any(b"kfp_azureml" in source for source in sources.values())
    assert sources["preprocessing.py"] == Path(preprocessing.__file__).read_bytes()


def test_pillow_is_the_one_that_prep_uses():
    """Another version may decode an image to other pixels."""
    root = Path(__file__).parents[4]
    (locked,) = re.findall(r"^pillow==(\S+)", (root / "requirements" / "ml.txt").read_text(), re.MULTILINE)
    assert f"- pillow=={locked}\n" in (SERVING_FOLDER / "conda.yaml").read_text()
