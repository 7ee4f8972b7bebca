"""Hash a folder's content, so that a retried step finds the resources it already created."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def content_hash(files: Mapping[str, str]) -> str:
    """Return the sha256 of a folder's relative paths and file contents, without Python's bytecode caches.

    Args:
        files: sha256 of each file by relative POSIX path; see `model_folder.hash_files`.
    """
    digest = hashlib.sha256()
    for name, sha256 in files.items():
        if "__pycache__" not in name.split("/"):
            digest.update(f"{sha256}  {name}\n".encode())
    return digest.hexdigest()


def text_hash(*parts: str) -> str:
    """Return the sha256 of several texts in order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
