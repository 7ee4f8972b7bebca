"""Read the images in the body of a request, whatever its content type."""

import json
from contextlib import suppress
from typing import Any

from request_images import BadRequestError

MAX_BODY_BYTES = 32 << 20
"""Maximum size."""

MAX_LISTS = 2 << 20
"""Maximum number of lists in JSON, which take 20 times as much memory as their text: about 200 MB. A thousand images
of 32x32 in colour have half of it."""

MAX_OBJECTS_AND_TEXTS = 10_000
"""Maximum number of objects and texts in JSON; each image needs one text at most."""

MAX_DRAINED_BYTES = 1 << 30
FIELDS = ("images", "input_data", "data")  # ours, then what other Azure ML clients send
UNDECLARED = ("", "application/octet-stream", "application/x-www-form-urlencoded")  # the last is curl's default


def read_body(request: Any) -> list[Any]:
    """Return the images of a request, not yet decoded: bytes of files, base64 texts, or nested lists.

    Args:
        request: Flask's request.

    Raises:
        BadRequestError: If the body is too large, empty, or not in one of the formats that score.py describes.
    """
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise _too_large(request)
    request.max_content_length = MAX_BODY_BYTES + 1  # of a body without a length, which is cut off there
    try:
        body: bytes = request.get_data()
        files = request.files.getlist("images") if request.mimetype == "multipart/form-data" else None
    # Servers have their own errors for a body that breaks off, or has too many parts.
    except Exception as error:
        raise BadRequestError(f"the body cannot be read ({type(error).__name__}: {error})") from error
    if len(body) > MAX_BODY_BYTES:
        raise _too_large(request)
    if files is None:
        return parse_body(request.mimetype, body)
    if not files:
        raise BadRequestError("multipart/form-data without a file in a part named images")
    return [part.read() for part in files]


def parse_body(content_type: str, body: bytes) -> list[Any]:
    """Return the images of a body that is JSON or one file.

    Args:
        content_type: Its content type, in lower case and without parameters; empty if none was sent.
        body: The body.

    Raises:
        BadRequestError: If it is neither.
    """
    if not body:
        raise BadRequestError('the body is empty; send {"images": [...]} or an image file')
    if content_type in UNDECLARED:
        content_type = "application/json" if body.lstrip()[:1] in (b"{", b"[") else "image/*"
    if content_type.startswith("image/"):
        return [body]
    if content_type in ("application/json", "text/json", "text/plain") or content_type.endswith("+json"):
        return _from_json(body)
    raise BadRequestError(
        f"content type {content_type!a}: expected application/json, multipart/form-data or an image, such as image/jpeg"
    )


def _from_json(body: bytes) -> list[Any]:
    # Before anything is built: millions of tiny values would take a gigabyte, and half a minute.
    if body.count(b"[") > MAX_LISTS:
        raise BadRequestError(f"more than {MAX_LISTS:,} lists in one request: send several requests, or base64")
    if body.count(b"{") + body.count(b'"') // 2 > MAX_OBJECTS_AND_TEXTS:
        raise BadRequestError(f"more than {MAX_OBJECTS_AND_TEXTS:,} objects and texts in one request")
    try:
        document = json.loads(body, strict=False)  # base64 from a shell may contain line breaks
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"the body is not JSON: {error}") from error
    field = next((name for name in FIELDS if isinstance(document, dict) and name in document), None)
    images = document[field] if field else None
    if isinstance(images, dict):  # the rows of a table, as MLflow's clients and those of AutoML models send them
        images = [row[0] if _is_cell(row) else row for row in _rows(images)]
    if not isinstance(images, list) or not images:
        raise BadRequestError('expected {"images": [...]} with at least one image')
    return images


def _rows(table: dict[str, Any]) -> list[Any]:
    rows = table.get("data")
    return rows if isinstance(rows, list) else []


def _is_cell(row: object) -> bool:
    return isinstance(row, list) and len(row) == 1 and isinstance(row[0], str)


def _too_large(request: Any) -> BadRequestError:
    """Read the rest of a body, since a client that is still sending may not see the response otherwise."""
    stream = request.environ["wsgi.input"]
    with suppress(Exception):  # the client is gone
        for _ in range(MAX_DRAINED_BYTES >> 20):
            if not stream.read(1 << 20):
                break
    return BadRequestError(f"the body has more than {MAX_BODY_BYTES:,} bytes")
