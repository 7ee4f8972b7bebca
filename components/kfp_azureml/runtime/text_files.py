"""Read text files from users: credentials, settings, JSON and conda files.

Windows tools write UTF-8 with a byte order mark, UTF-16 (PowerShell's `>`) and CRLF line ends; all are accepted. Legacy
code pages such as cp1252 cannot be detected reliably and are rejected.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from kfp_azureml.runtime.errors import KfpAzuremlError, first_line
from kfp_azureml.runtime.file_kinds import HEAD_BYTES, placeholder_kind

_UTF8 = ("utf-8", "utf-8-sig")


def read_user_text(path: Path, failure: type[KfpAzuremlError], *, name: str = "", expected: str = "") -> str:
    r"""Read a text file.

    Args:
        path: The file, in UTF-8 with or without a byte order mark, UTF-16 or UTF-32.
        failure: The exception class to raise.
        name: The file's name in messages; its path by default.
        expected: What the file should be, for the message if it is missing, such as `a JSON file with parameters`.

    Returns:
        The text without a byte order mark, with `\n` line ends.

    Raises:
        KfpAzuremlError: As `failure`, if the file is missing, unreadable or not text. The message contains none of the
            content, which may be secret.
    """
    name = name or str(path)
    return decode_user_text(_read(path, failure, name, expected), failure, name=name)


def read_user_json(path: Path, failure: type[KfpAzuremlError], *, name: str = "", expected: str = "") -> Any:
    """Read and parse a JSON file; see `read_user_text`.

    Raises:
        KfpAzuremlError: As `failure`, also if the text is not JSON. The message says what it is if that is detected.
    """
    name = name or str(path)
    content = _read(path, failure, name, expected)
    text = decode_user_text(content, failure, name=name)
    try:
        return json.loads(text)
    except RecursionError:
        raise failure(f"{name}: JSON is nested too deeply") from None
    except ValueError as error:
        kind = placeholder_kind(content[:HEAD_BYTES])
        instead = f": it looks like {kind}" if kind else f" ({first_line(error)})"
        raise failure(f"{name}: not JSON{instead}") from error


def decode_user_text(content: bytes, failure: type[KfpAzuremlError], *, name: str) -> str:
    """Decode the content of a text file; see `read_user_text`."""
    encoding = json.detect_encoding(content)
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        if encoding in _UTF8:
            line = content.count(b"\n", 0, error.start) + 1
            raise failure(f"{name}: not UTF-8 text (line {line}): save it as UTF-8") from None
        raise failure(f"{name}: not a text file, or corrupt {encoding.upper()}: save it as UTF-8") from None
    if "\0" in text:
        raise failure(f"{name}: not a text file (it contains zero bytes): save it as UTF-8 text")
    return io.StringIO(text, newline=None).read()


def require_utf8(path: Path, failure: type[KfpAzuremlError], *, name: str = "") -> None:
    """Reject UTF-16 and UTF-32 files that other programs will read as UTF-8, such as Python source.

    Args:
        path: The file. A UTF-8 byte order mark is accepted.
        failure: The exception class to raise.
        name: The file's name in messages; its path by default.

    Raises:
        KfpAzuremlError: As `failure`, if the file is missing, unreadable, or in UTF-16 or UTF-32.
    """
    name = name or str(path)
    encoding = json.detect_encoding(_read(path, failure, name, ""))
    if encoding not in _UTF8:
        raise failure(f"{name}: is {encoding[:6].upper()}: save it as UTF-8")


def _read(path: Path, failure: type[KfpAzuremlError], name: str, expected: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise failure(f"{name}: missing" + (f"; expected {expected}" if expected else "")) from None
    except OSError as error:
        raise failure(f"{name}: cannot be read ({error.strerror or type(error).__name__})") from error
