"""One hash for a folder's content: by it a retried step finds what it already made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def content_hash(files: Mapping[str, str]) -> str:
    """Return one sha256 over all files of a folder: their relative paths and contents.

    Python's bytecode caches do not count: running the code is no change of it.

    Args:
        files: sha256 of each file, by relative POSIX path; see `model_folder.hash_files`.
    """
    digest = hashlib.sha256()
    for name, sha256 in files.items():
        if "__pycache__" not in name.split("/"):
            digest.update(f"{sha256}  {name}\n".encode())
    return digest.hexdigest()


def text_hash(*parts: str) -> str:
    """Return one sha256 over several texts, in their order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
