"""The entry script of a deployed image classifier, run by azureml-inference-server-http.

Self-contained: the endpoint's environment has NumPy and ONNX Runtime only.

Request:   {"images": [IMAGE, ...]}; an IMAGE is the base64 of its bytes (uint8, row by row, channels last), or nested
           lists of whole numbers 0 to 255, [height][width] or [height][width][channels]. The base64 may have line
           breaks, the URL-safe alphabet, no padding, or `data:...;base64,` before it.
Response:  {"predictions": [{"label": ..., "index": ..., "probability": ...}, ...], "probabilities": [[...], ...]}
           in the order of the images; the classes' order is the model's.
An invalid request gets status 400 and {"error": one line}; a managed endpoint responds with 424
instead, with the 400 in the header ms-azureml-model-error-statuscode.
"""

import base64
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

# Must be set before the import: otherwise each worker starts a thread per CPU of the node.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np

# Must be set before the import: disables ONNX Runtime's telemetry.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "model.json"
FIELDS = ("images", "input_data", "data")  # ours, then what other Azure ML clients send
MAX_IMAGES = 1000  # in one request
MAX_EDGE = 1 << 16  # pixels
IMAGE_FILES = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"RIFF": "WebP"}
DATA_URL = re.compile(r"data:[^,]*?(;base64)?,", re.IGNORECASE)


class BadRequestError(ValueError):
    """An invalid request; the message is returned to the client."""


class BadModelError(Exception):
    """Not a model folder of train; the message is for the deployment's log."""


@dataclass(frozen=True)
class Classifier:
    """A loaded model.

    Attributes:
        session: The ONNX Runtime session.
        input: The name of the images' tensor.
        output: The name of the probabilities' tensor.
        dtype: The images' dtype, as NumPy names it.
        shape: One image: height, width, channels.
        classes: The class names, in the order of the output.
    """

    session: onnxruntime.InferenceSession
    input: str
    output: str
    dtype: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]


classifier: Classifier


def init() -> None:
    """Load the model once, before the first request."""
    global classifier
    classifier = load(Path(os.environ["AZUREML_MODEL_DIR"]))


def run(data: str) -> object:
    """Handle one request.

    Args:
        data: The request's body.
    """
    try:
        return classify(classifier, decode(data, classifier.shape))
    except BadRequestError as error:
        from azureml_inference_server_http.api.aml_response import AMLResponse

        return AMLResponse({"error": str(error)}, 400, json_str=True)


def load(folder: Path) -> Classifier:
    """Find and load the model in a folder.

    Raises:
        FileNotFoundError: If there is not exactly one, with its manifest.
        BadModelError: If they are damaged or inconsistent.
    """
    found = sorted(folder.rglob(MODEL_FILE))
    if len(found) != 1 or not found[0].with_name(MANIFEST_FILE).is_file():
        raise FileNotFoundError(f"expected one {MODEL_FILE} with its {MANIFEST_FILE} below {folder}, found {found}")
    path = found[0]
    options = onnxruntime.SessionOptions()
    # The deployment runs one worker for each core (WORKER_COUNT), so each keeps to one.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BadModelError(f"{path}: ONNX Runtime cannot run it: {_first_line(error)}") from error
    model = read_manifest(path.with_name(MANIFEST_FILE), session)
    for what, name, tensors in (
        ("input", model.input, session.get_inputs()),
        ("output", model.output, session.get_outputs()),
    ):
        names = [tensor.name for tensor in tensors]
        if name not in names:
            raise BadModelError(f"{path}: its {what}s are {', '.join(names)}; {MANIFEST_FILE} names {name}")
    return model


def read_manifest(path: Path, session: onnxruntime.InferenceSession) -> Classifier:
    """Read a model's manifest.

    Raises:
        BadModelError: If it is not a manifest of train.
    """
    try:
        manifest = json.loads(path.read_bytes())
        _, height, width, channels = manifest["input"]["shape"]
        model = Classifier(
            session=session,
            input=str(manifest["input"]["name"]),
            output=str(manifest["output"]["name"]),
            dtype=np.dtype(manifest["input"]["dtype"]).name,
            shape=(height, width, channels),
            classes=tuple(map(str, manifest["classes"])),
        )
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        reason = f"{type(error).__name__}: {_first_line(error)}"
        raise BadModelError(f"{path}: not a manifest of train ({reason})") from error
    if not all(type(size) is int and 0 < size < MAX_EDGE for size in model.shape):
        raise BadModelError(f"{path}: images of {list(model.shape)}; expected height, width and channels")
    if not model.classes or manifest["output"].get("shape") != [None, len(model.classes)]:
        raise BadModelError(f"{path}: {len(model.classes)} classes do not fit the output's shape")
    return model


def decode(data: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Read the images of a request.

    Args:
        data: The request's body.
        shape: One image: height, width, channels.

    Returns:
        The images, (images, height, width, channels), uint8.

    Raises:
        BadRequestError: If the body does not have the format in the module's docstring.
    """
    try:
        body = json.loads(data, strict=False)  # base64 from a shell may contain line breaks
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error
    field = next((name for name in FIELDS if isinstance(body, dict) and name in body), None)
    images = body[field] if field else None
    if not isinstance(images, list) or not images:
        raise BadRequestError('expected {"images": [...]} with at least one image')
    if len(images) > MAX_IMAGES:
        raise BadRequestError(f"{len(images)} images in one request; the limit is {MAX_IMAGES}: send several requests")
    return np.stack([_decode_image(image, shape, number) for number, image in enumerate(images)])


def classify(model: Classifier, images: np.ndarray) -> dict[str, object]:
    """Classify images, all in one batch.

    Args:
        model: The model.
        images: (images, height, width, channels), uint8.

    Returns:
        The response, as in the module's docstring.
    """
    (probabilities,) = model.session.run([model.output], {model.input: images.astype(model.dtype)})
    best = probabilities.argmax(axis=1)
    return {
        "predictions": [
            {"label": model.classes[index], "index": int(index), "probability": float(row[index])}
            for index, row in zip(best, probabilities, strict=True)
        ],
        "probabilities": probabilities.tolist(),
    }


def _decode_image(image: object, shape: tuple[int, int, int], number: int) -> np.ndarray:
    height, width, channels = shape
    if isinstance(image, str):
        content = _decode_base64(image, number)
        pixels = np.frombuffer(content, dtype=np.uint8)
        if pixels.size != height * width * channels:
            kind = next((kind for magic, kind in IMAGE_FILES.items() if content.startswith(magic)), None)
            raise BadRequestError(
                f"image {number}: {pixels.size} bytes, expected {height * width * channels} "
                f"(height {height} x width {width} x channels {channels})"
                + (f": it is a {kind} file; send its pixels" if kind else "")
            )
        return pixels.reshape(shape)
    if not isinstance(image, list):
        raise BadRequestError(f"image {number}: expected base64 text or nested lists of pixel values")
    try:
        pixels = np.asarray(image)
    except ValueError as error:
        raise BadRequestError(f"image {number}: its rows differ in length") from error
    if pixels.shape != shape and not (channels == 1 and pixels.shape == (height, width)):
        raise BadRequestError(f"image {number}: its shape is {list(pixels.shape)}, expected {list(shape)}")
    if pixels.dtype.kind not in "iu" or pixels.min() < 0 or pixels.max() > 255:
        raise BadRequestError(f"image {number}: pixel values must be whole numbers from 0 to 255")
    return pixels.astype(np.uint8).reshape(shape)


def _decode_base64(text: str, number: int) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        pass  # other common base64 variants are handled below
    if url := DATA_URL.match(text):
        if not url[1]:
            raise BadRequestError(f"image {number}: a data: URL without ;base64")
        text = text[url.end() :]
    plain = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    wrong = re.search("[^A-Za-z0-9+/]", plain)
    if wrong:
        raise BadRequestError(f"image {number}: not base64: {wrong[0]!a} at position {wrong.start()}")
    if len(plain) % 4 == 1:
        raise BadRequestError(f"image {number}: not base64: invalid length ({len(plain)} characters)")
    return base64.b64decode(plain + "=" * (-len(plain) % 4))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]
