"""Read JSON from clients: only values that can be stored and sent again."""

from __future__ import annotations

import json
from typing import Any, NoReturn

MAX_DEPTH = 64


def loads(content: bytes) -> Any:
    """Read JSON in UTF-8, UTF-16 or UTF-32.

    Raises:
        ValueError: If it is not JSON, or has NaN, infinities, half a surrogate pair, or more than `MAX_DEPTH` levels.
    """
    try:
        value = json.loads(content, parse_constant=_refuse)
    except RecursionError:
        raise ValueError(f"more than {MAX_DEPTH} levels") from None
    if _is_deeper(value, MAX_DEPTH):
        raise ValueError(f"more than {MAX_DEPTH} levels")
    if b"\\ud" in content.lower():
        # A UnicodeEncodeError is a ValueError.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _is_deeper(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True
