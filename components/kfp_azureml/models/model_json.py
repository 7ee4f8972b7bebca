"""Validate the JSON files of a model folder, which may come from an untrusted source.

Each function returns a value of the expected type or raises ValueError with a message that follows the file's name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST = 2**31 - 1


def member(raw: Mapping[str, Any], key: str) -> Any:
    """Return a required member of an object."""
    if key not in raw:
        raise ValueError(f"{key!r} is missing")
    return raw[key]


def mapping(value: Any, what: str) -> dict[str, Any]:
    """Return an object."""
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {_kind(value)}; expected an object")  # noqa: TRY004 - bad data, not a bad call
    return value


def string(value: Any, what: str) -> str:
    """Return a non-empty string."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is {_kind(value)}; expected a string")
    return value


def strings(value: Any, what: str) -> tuple[str, ...]:
    """Return a list of strings."""
    if not isinstance(value, list):
        raise ValueError(f"{what} is {_kind(value)}; expected a list of strings")  # noqa: TRY004 - as above
    return tuple(string(each, f"each of {what}") for each in value)


def number(value: Any, what: str, maximum: float = math.inf) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value) or value > maximum:
        limit = f" up to {maximum:g}" if maximum < math.inf else ""
        raise ValueError(f"{what} is {_kind(value)}; expected a number{limit}")
    return value


def numbers(value: Any, what: str) -> dict[str, float]:
    """Return an object of finite numbers."""
    return {name: number(each, f"{name!r} of {what}") for name, each in mapping(value, what).items()}


def count(value: Any, what: str) -> int:
    """Return an integer from 1 to 2^31 - 1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LARGEST:
        raise ValueError(f"{what} is {_kind(value)}; expected an integer from 1 to {_LARGEST}")
    return value


def hashes(value: Any, what: str) -> dict[str, str]:
    """Return sha256 hashes by relative path; no path may leave the folder."""
    found = mapping(value, what)
    for name, sha256 in found.items():
        path = PurePosixPath(name)
        if not path.parts or path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{what} contains {name!r}, which is not a path in the folder")
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise ValueError(f"{what} has no sha256 for {name!r}; expected 64 hex digits")
    return found


def shape(value: Any, what: str, rank: int) -> tuple[int | None, ...]:
    """Return a tensor's shape; the first dimension, the batch, must be null."""
    if not isinstance(value, list) or len(value) != rank or value[0] is not None:
        raise ValueError(f"{what} is {_kind(value)}; expected {rank} dimensions, the first null")
    return (None, *(count(size, f"a dimension of {what}") for size in value[1:]))


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer too large for a float
        return False


def _kind(value: Any) -> str:
    words = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.6g}" if isinstance(value, float) or abs(value) < 1e15 else "a huge number"
    return words[type(value)]
