"""Check the names of files that the storage lists before they become paths on this machine."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from kfp_azureml.runtime.errors import ModelError

_DRIVE = re.compile(r"[A-Za-z]:")
_MAX_BYTES = 255  # of a file name on Linux and macOS


def check_file_names(names: Iterable[str], what: str) -> None:
    """Check that no name leaves the folder or overwrites another one.

    Args:
        names: Relative POSIX paths.
        what: The model, for the message.

    Raises:
        ModelError: If a name is absolute, contains `..`, a drive letter, a backslash or a control character, is too
            long, or equals another name on file systems that ignore case.
    """
    seen: dict[str, str] = {}
    for name in names:
        if reason := _unsafe_reason(name):
            raise ModelError(
                f"{what}: its file {name!r} {reason}: rename it in the storage, or register the model again"
            )
        same = unicodedata.normalize("NFC", name).casefold()
        if same in seen:
            raise ModelError(
                f"{what}: its files {seen[same]!r} and {name!r} have the same name on some file systems: rename one in "
                "the storage, or register the model again"
            )
        seen[same] = name
    for key, name in seen.items():
        for parent in _parents(key):
            if parent in seen:
                raise ModelError(f"{what}: {seen[parent]!r} is a file, and the folder of {name!r}: rename one of them")


def _unsafe_reason(name: str) -> str:
    if name.startswith("/"):
        return "is an absolute path"
    if "\\" in name or _DRIVE.match(name):
        return "contains a backslash or a drive letter"
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in name):
        return "contains a control character"
    segments = name.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        return "has an empty part, '.' or '..' in its path"
    return "has a part of more than 255 bytes" if any(len(one.encode()) > _MAX_BYTES for one in segments) else ""


def _parents(path: str) -> Iterable[str]:
    parts = path.split("/")[:-1]
    return ("/".join(parts[:length]) for length in range(1, len(parts) + 1))
