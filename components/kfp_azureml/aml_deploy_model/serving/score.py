"""The entry script of a deployed image classifier, run by azureml-inference-server-http.

It stands alone: the endpoint's environment holds NumPy and ONNX Runtime, and nothing else of this project.

Request:   {"images": [IMAGE, ...]}; an IMAGE is the base64 of its bytes (uint8, row by row, channels last), or nested
           lists of whole numbers 0 to 255, [height][width] or [height][width][channels].
Answer:    {"predictions": [{"label": ..., "index": ..., "probability": ...}, ...], "probabilities": [[...], ...]}
           in the order of the images; the classes' order is the model's.
A request that cannot be answered gets status 400 and {"error": one line}; a managed endpoint passes that on as 424,
with the 400 in the header ms-azureml-model-error-statuscode.
"""

import base64
import binascii
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Read at the import: without it ONNX Runtime reports what it runs to its makers.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "model.json"
FIELDS = ("images", "input_data", "data")  # ours, then what other Azure ML clients send
MOST_IMAGES = 1000  # in one request


class BadRequestError(ValueError):
    """The caller's fault; the message is for the caller."""


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
    """Answer one request.

    Args:
        data: The request's body.
    """
    try:
        return classify(classifier, decode(data, classifier.shape))
    except BadRequestError as error:
        from azureml_inference_server_http.api.aml_response import AMLResponse

        return AMLResponse({"error": str(error)}, 400, json_str=True)


def load(folder: Path) -> Classifier:
    """Load the model that lies somewhere below a folder.

    Raises:
        FileNotFoundError: If there is not exactly one, with its manifest.
    """
    found = sorted(folder.rglob(MODEL_FILE))
    if len(found) != 1 or not found[0].with_name(MANIFEST_FILE).is_file():
        raise FileNotFoundError(f"expected one {MODEL_FILE} with its {MANIFEST_FILE} below {folder}, found {found}")
    manifest = json.loads(found[0].with_name(MANIFEST_FILE).read_text())
    options = onnxruntime.SessionOptions()
    # The deployment runs one worker for each core (WORKER_COUNT), so each keeps to one.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(found[0]), options, providers=["CPUExecutionProvider"])
    height, width, channels = manifest["input"]["shape"][1:]
    return Classifier(
        session=session,
        input=manifest["input"]["name"],
        output=manifest["output"]["name"],
        dtype=manifest["input"]["dtype"],
        shape=(height, width, channels),
        classes=tuple(manifest["classes"]),
    )


def decode(data: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Read the images of a request.

    Args:
        data: The request's body.
        shape: One image: height, width, channels.

    Returns:
        The images, (images, height, width, channels), uint8.

    Raises:
        BadRequestError: If the body is not what the module's docstring says.
    """
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error
    field = next((name for name in FIELDS if isinstance(body, dict) and name in body), None)
    images = body[field] if field else None
    if not isinstance(images, list) or not images:
        raise BadRequestError('expected {"images": [...]} with at least one image')
    if len(images) > MOST_IMAGES:
        raise BadRequestError(f"{len(images)} images in one request, at most {MOST_IMAGES} are taken")
    return np.stack([_decode_image(image, shape, number) for number, image in enumerate(images)])


def classify(model: Classifier, images: np.ndarray) -> dict[str, object]:
    """Classify images, all in one batch.

    Args:
        model: The model.
        images: (images, height, width, channels), uint8.

    Returns:
        The answer, as the module's docstring says.
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
        try:
            pixels = np.frombuffer(base64.b64decode(image, validate=True), dtype=np.uint8)
        except (binascii.Error, ValueError) as error:
            raise BadRequestError(f"image {number}: not base64: {error}") from error
        if pixels.size != height * width * channels:
            raise BadRequestError(
                f"image {number}: {pixels.size} bytes, expected {height * width * channels} "
                f"(height {height} x width {width} x channels {channels})"
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
        raise BadRequestError(f"image {number}: pixel values have to be whole numbers from 0 to 255")
    return pixels.astype(np.uint8).reshape(shape)
