"""The OpenAPI documents of the service, for the model that it serves.

The server reads them from its folder of the code after `init`, and returns them at /swagger.json?version=2, 3 or 3.1.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any

from classifier import Classifier
from preprocessing import FORMATS, MAX_PIXELS
from request_body import MAX_BODY_BYTES
from request_images import MAX_IMAGES, MAX_REQUEST_PIXELS

FILES = {"2.0": "swagger.json", "3.0.3": "swagger3.json", "3.1.0": "swagger3.1.json"}
"""The server's names, by the version of the specification."""

IMAGE_TYPES = tuple(f"image/{name.lower()}" for name in FORMATS)

logger = logging.getLogger("azmlinfsrv")


def write_documents(folder: Path, model: Classifier) -> None:
    """Write the documents; if that is not possible, the server returns generic ones."""
    for version, name in FILES.items():
        content = json.dumps(document(model, version))
        part = folder / f"{name}.{os.getpid()}.part"  # each worker writes them
        try:
            part.write_text(content, encoding="utf-8")
            part.replace(folder / name)
        except OSError as error:
            logger.warning("%s: cannot be written (%s); /swagger.json will be generic", folder / name, error.strerror)


def document(model: Classifier, version: str) -> dict[str, Any]:
    """Return the document for a version of the specification.

    Args:
        model: The model that is served.
        version: 2.0, 3.0.3 or 3.1.0.
    """
    schemas = _schemas(model)
    if version == "2.0":
        return _swagger(model, schemas)
    text = json.dumps(_openapi(model, schemas, version))
    return json.loads(text.replace("#/definitions/", "#/components/schemas/"))  # type: ignore[no-any-return]


def _swagger(model: Classifier, schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        "swagger": "2.0",
        "info": _info(model),
        "schemes": ["https"],
        "securityDefinitions": _SECURITY,
        "paths": {
            "/": {"get": _operation("ServiceHealthCheck", _HEALTH, {"200": {"description": "Healthy"}}) | _NO_SECURITY},
            "/score": {
                "post": {
                    **_operation("RunMLService", _SCORE, _swagger_responses()),
                    "consumes": ["application/json", *IMAGE_TYPES],
                    "produces": ["application/json"],
                    "parameters": [
                        {
                            "name": "serviceInputPayload",
                            "in": "body",
                            "required": True,
                            "description": "The images as JSON; with an image's content type, the file itself.",
                            "schema": {"$ref": "#/definitions/ServiceInput"},
                        }
                    ],
                }
            },
        },
        "security": [{"Bearer": []}],
        "definitions": schemas,
    }


def _openapi(model: Classifier, schemas: dict[str, Any], version: str) -> dict[str, Any]:
    file = {"schema": {"type": "string", "format": "binary"}}
    parts = {
        "type": "object",
        "required": ["images"],
        "properties": {"images": {"type": "array", "minItems": 1, "maxItems": MAX_IMAGES, "items": file["schema"]}},
    }
    content = {
        "application/json": {"schema": {"$ref": "#/definitions/ServiceInput"}},
        "multipart/form-data": {"schema": parts},
        **dict.fromkeys(IMAGE_TYPES, file),
    }
    return {
        "openapi": version,
        "info": _info(model),
        "paths": {
            "/": {"get": _operation("ServiceHealthCheck", _HEALTH, {"200": {"description": "Healthy"}}) | _NO_SECURITY},
            "/score": {
                "post": {
                    **_operation("RunMLService", _SCORE, _openapi_responses()),
                    "requestBody": {"required": True, "content": content},
                }
            },
        },
        "security": [{"Bearer": []}],
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
    }


_HEALTH = "Return 200 while the service is up."
_SCORE = "Classify images."
_NO_SECURITY: dict[str, Any] = {"security": []}
_SECURITY = {
    "Bearer": {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "description": "The word Bearer, a space, and a key or token of the endpoint.",
    }
}
_RESPONSES = {
    "200": ("The predictions, in the order of the images.", "ServiceOutput"),
    "400": ("An invalid request. Managed endpoints return 424 instead.", "ErrorResponse"),
}


def _operation(name: str, description: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": name, "description": description, "responses": responses}


def _swagger_responses() -> dict[str, Any]:
    return {
        status: {"description": text, "schema": {"$ref": f"#/definitions/{schema}"}}
        for status, (text, schema) in _RESPONSES.items()
    }


def _openapi_responses() -> dict[str, Any]:
    return {
        status: {
            "description": text,
            "content": {"application/json": {"schema": {"$ref": f"#/definitions/{schema}"}}},
        }
        for status, (text, schema) in _RESPONSES.items()
    }


def _info(model: Classifier) -> dict[str, str]:
    height, width, channels = model.shape
    files = f"image files ({', '.join(FORMATS)}) of up to {MAX_PIXELS:,} pixels, or " if model.encoded_images else ""
    return {
        "title": os.environ.get("SERVICE_NAME") or "Image classifier",
        "version": os.environ.get("SERVICE_VERSION") or "1.0",
        "description": (
            f"Classifies {files}raw pixels of height {height}, width {width} and {channels} channels into "
            f"{len(model.classes)} classes. A request has up to {MAX_BODY_BYTES:,} bytes, {MAX_IMAGES} images and "
            f"{MAX_REQUEST_PIXELS:,} pixels."
        ),
    }


def _schemas(model: Classifier) -> dict[str, Any]:
    height, width, channels = model.shape
    number = {"type": "number", "format": "float", "minimum": 0, "maximum": 1}
    image = {
        "description": (
            f"The base64 of {'an image file, or of ' if model.encoded_images else ''}{height * width * channels} bytes "
            f"of pixels, row by row, channels last; or nested lists of whole numbers 0 to 255, "
            f"[{height}][{width}][{channels}]."
        ),
    }
    return {
        "ServiceInput": {
            "type": "object",
            "required": ["images"],
            "properties": {
                "images": {"type": "array", "minItems": 1, "maxItems": MAX_IMAGES, "items": image},
            },
            "example": {"images": ["iVBORw0KGgoAAAANSUhEUgAA..."]},
        },
        "ServiceOutput": {
            "type": "object",
            "required": ["predictions", "probabilities"],
            "properties": {
                "predictions": {"type": "array", "items": {"$ref": "#/definitions/Prediction"}},
                "probabilities": {
                    "type": "array",
                    "description": "For each image, the probabilities in the order of the classes.",
                    "items": {
                        "type": "array",
                        "minItems": len(model.classes),
                        "maxItems": len(model.classes),
                        "items": number,
                    },
                },
            },
        },
        "Prediction": {
            "type": "object",
            "required": ["label", "index", "probability"],
            "properties": {
                "label": {"type": "string", "enum": list(dict.fromkeys(model.classes))},
                "index": {"type": "integer", "minimum": 0, "maximum": len(model.classes) - 1},
                "probability": number,
            },
        },
        "ErrorResponse": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {"type": "string", "description": "What is wrong, in one line."}},
        },
    }
