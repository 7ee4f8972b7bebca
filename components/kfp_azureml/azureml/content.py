"""One hash for a folder's content: by it a retried step finds what it already made."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kfp_azureml.model_folder import sha256


def content_hash(folder: Path) -> str:
    """Return one sha256 over all files of a folder: their relative paths and contents.

    Python's bytecode caches do not count: running the code is no change of it.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n".encode())
    return digest.hexdigest()


def text_hash(*parts: str) -> str:
    """Return one sha256 over several texts, in their order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
