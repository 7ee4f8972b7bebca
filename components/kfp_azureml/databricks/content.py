"""The content of an item or file: base64 text in a parameter, or an input artifact."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kfp_azureml.runtime.errors import DatabricksError


def content_of(parameter: str, text: str, artifact: str, path: str) -> bytes:
    """Return a content that is given as a parameter or as an artifact.

    Args:
        parameter: The parameter's name.
        text: Its value in base64; empty with an artifact.
        artifact: The artifact's name.
        path: Its path; empty without.

    Raises:
        DatabricksError: If neither or both are given, the text is not base64, or the file cannot be read.
    """
    if bool(text) == bool(path):
        raise DatabricksError(f"set one of {parameter} and {artifact}")
    if path:
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise DatabricksError(
                f"{artifact} {path}: cannot be read ({error.strerror}): give a single file"
            ) from error
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DatabricksError(f"{parameter}: not base64 ({error})") from error


@contextmanager
def source_file(parameter: str, text: str, artifact: str, path: str) -> Iterator[Path]:
    """Yield a file with a content that is given as a parameter or as an artifact; see `content_of`."""
    if path and not text:
        yield Path(path)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(content_of(parameter, text, artifact, path))
        file.flush()
        yield Path(file.name)
