"""The entry script of a deployed image classifier, run by azureml-inference-server-http.

Self-contained: it needs the files beside it, a copy of preprocessing.py, and the packages of conda.yaml.

Request:   one of
           - {"images": [IMAGE, ...]}; `input_data` and `data` are other names of `images`, and either may have its list
             in a member `data`, as in {"input_data": {"columns": ["image"], "data": [IMAGE, ...]}}
           - a file as the body, with a content type such as image/jpeg
           - multipart/form-data with one part `images` for each file
           An IMAGE is the base64 of a file, or of its pixels (uint8, row by row, channels last), or nested lists of
           whole numbers 0 to 255, [height][width] or [height][width][channels]. The base64 may have line breaks, the
           URL-safe alphabet, no padding, or `data:...;base64,` before it. Files are JPEG, PNG, WebP, BMP, GIF or TIFF
           of any size; they are decoded and resized as those that the model was trained on.
Response:  {"predictions": [{"label": ..., "index": ..., "probability": ...}, ...], "probabilities": [[...], ...]}
           in the order of the images; the classes' order is the model's.
An invalid request gets status 400 and {"error": one line}; a managed endpoint responds with 424
instead, with the 400 in the header ms-azureml-model-error-statuscode.
/swagger.json has the OpenAPI document.
"""

import os
import sys
from pathlib import Path
from typing import Any

# The server adds its own folder of the code, which may be another one than this file's.
sys.path.insert(0, str(Path(__file__).parent))

from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse
from classifier import Classifier, classify, load
from openapi import write_documents
from request_body import read_body
from request_images import BadRequestError, read_images

model: Classifier


def init() -> None:
    """Load the model once, before the first request."""
    global model
    # Decoders that Pillow would import with the first file, together with those of all other formats.
    from PIL import Image, TiffImagePlugin, WebPImagePlugin  # noqa: F401

    Image.preinit()
    model = load(Path(os.environ["AZUREML_MODEL_DIR"]))
    write_documents(Path(os.environ.get("AML_APP_ROOT") or Path(__file__).parent), model)


@rawhttp
def run(request: Any) -> object:
    """Handle one request.

    Args:
        request: Flask's request.
    """
    if request.method == "OPTIONS":  # of a browser, before its request
        return AMLResponse("", 200)
    if request.method != "POST":
        return AMLResponse({"error": f"method {request.method}: send a POST"}, 405, json_str=True)
    try:
        return classify(model, read_images(read_body(request), model.shape, model.encoded_images))
    except BadRequestError as error:
        return AMLResponse({"error": str(error)}, 400, json_str=True)
