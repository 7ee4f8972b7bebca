"""Checked reading of a model folder's JSON: nothing in it is believed before it was looked at.

A model folder may come from anywhere. Each function takes a value out of a JSON object and raises ValueError, in words
that go on after the file's name, if it is not what the caller needs.
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
    """Return a member that has to be there."""
    if key not in raw:
        raise ValueError(f"{key!r} is missing")
    return raw[key]


def mapping(value: Any, what: str) -> dict[str, Any]:
    """Return a JSON object."""
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {_kind(value)}; expected an object")  # noqa: TRY004 - bad data, not a bad call
    return value


def text(value: Any, what: str) -> str:
    """Return a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is {_kind(value)}; expected a text")
    return value


def texts(value: Any, what: str) -> tuple[str, ...]:
    """Return a list of texts."""
    if not isinstance(value, list):
        raise ValueError(f"{what} is {_kind(value)}; expected a list of texts")  # noqa: TRY004 - as above
    return tuple(text(each, f"each of {what}") for each in value)


def number(value: Any, what: str, most: float = math.inf) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value) or value > most:
        raise ValueError(f"{what} is {_kind(value)}; expected a number" + (f" up to {most:g}" if most < 1e9 else ""))
    return value


def count(value: Any, what: str) -> int:
    """Return a whole number above 0 that counts something in memory."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LARGEST:
        raise ValueError(f"{what} is {_kind(value)}; expected a whole number from 1 to {_LARGEST}")
    return value


def hashes(value: Any, what: str) -> dict[str, str]:
    """Return sha256 hashes by the relative paths of files in the folder."""
    found = mapping(value, what)
    for name, sha256 in found.items():
        path = PurePosixPath(name)
        if not path.parts or path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{what} names {name!r}, which is no file in the folder")
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise ValueError(f"{what} has no sha256 for {name!r}; expected 64 hex digits")
    return found


def shape(value: Any, what: str, rank: int) -> tuple[int | None, ...]:
    """Return a tensor's shape, whose first dimension, the batch, is null."""
    if not isinstance(value, list) or len(value) != rank or value[0] is not None:
        raise ValueError(f"{what} is {_kind(value)}; expected {rank} dimensions, the first null")
    return (None, *(count(size, f"a dimension of {what}") for size in value[1:]))


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _kind(value: Any) -> str:
    words = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.6g}" if isinstance(value, float) or abs(value) < 1e15 else "a huge number"
    return words[type(value)]
