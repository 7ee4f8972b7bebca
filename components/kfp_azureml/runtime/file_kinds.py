"""Detect a file's kind from its first bytes: a web page, a Git LFS pointer, an archive.

A failed download often leaves such a file under the expected name; error messages say what it is.
"""

from __future__ import annotations

import json
import re

HEAD_BYTES = 1024
"""Number of bytes from a file's start that `looks_like` needs."""

POINTERS = ("a Git LFS pointer", "a git-annex pointer")
"""Names in `looks_like` for pointer files, which replace large files in version control."""

_EXCERPT = 60  # characters of a text that are shown

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive: unpack it"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "gzip data: unpack it"),
    (b"BZh", "bzip2 data: unpack it"),
    (b"\xfd7zXZ\0", "xz data: unpack it"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data: unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it"),
    (b"PAR1", "a Parquet file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
)
_TAR_MAGIC, _TAR_OFFSET = b"ustar", 257
_GIT_LFS = "version https://git-lfs.github.com/spec/"
_GIT_ANNEX = re.compile(r"/annex/objects/|(\.\./)*\.git/annex/objects/")
_HTML = re.compile(r"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_LINE_ENDS = "\n\r\t"


def looks_like(head: bytes) -> str:
    """Describe a file from its first bytes.

    Args:
        head: Its first `HEAD_BYTES` bytes, or all of a shorter file.

    Returns:
        A noun phrase such as `an HTML page ('<html><body>404')`, one line of printable characters; empty if the kind
        is unknown.
    """
    if not head:
        return "an empty file"
    if not head.strip(b"\0"):
        return "zero bytes only, as an interrupted download leaves them"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[_TAR_OFFSET:].startswith(_TAR_MAGIC):
        return "a tar archive: unpack it"
    text = _as_text(head)
    return _kind_of_text(text) if text else ""


def placeholder_kind(head: bytes) -> str:
    """Describe what replaces a missing file, such as a web page or a pointer; see `looks_like`.

    Returns:
        A noun phrase; empty if the content may be that of the file itself.
    """
    kind = looks_like(head)
    return kind if kind.startswith((*POINTERS, "an HTML page", "an empty file", "zero bytes")) else ""


def _kind_of_text(text: str) -> str:
    if text.startswith(_GIT_LFS):
        return f"{POINTERS[0]}, not the file itself: run `git lfs pull`"
    if _GIT_ANNEX.match(text):
        return f"{POINTERS[1]}, not the file itself: run `git annex get`"
    words = " ".join(text.split())
    excerpt = repr(words if len(words) <= _EXCERPT else f"{words[:_EXCERPT]}...")
    # A page may start with comments or an XML declaration.
    if _HTML.search(text):
        return f"an HTML page ({excerpt})"
    if text.startswith("<"):
        return f"XML ({excerpt})"
    if text.startswith(("{", "[")):
        return f"JSON ({excerpt})"
    return f"text ({excerpt})"


def _as_text(head: bytes) -> str:
    """Return the decoded text; empty if the bytes are not text."""
    encoding = json.detect_encoding(head)
    # Without a byte order mark these are guesses from zero bytes, which binary files contain too.
    if encoding.endswith(("-le", "-be")):
        return ""
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        # The last character may be truncated.
        if len(head) < HEAD_BYTES or error.start < len(head) - 4:
            return ""
        text = head[: error.start].decode(encoding)
    text = text.removeprefix("\ufeff").strip()
    return text if all(one.isprintable() or one in _LINE_ENDS for one in text) else ""
