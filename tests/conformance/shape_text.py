"""Shapes as the fixture writes them.

A scalar is its types and an enumeration's values, `null|string = Creating | (Updating)`; a value in parentheses was
not recorded recently. An object is an object; `"key"` is in every recording, `"key+"` in every recent one, `"key-"` in
every older one, `"key?"` in some. A list is `{"[]": shape}`; `["null", {..}]` are alternatives. `"@"` says when objects
were recorded, where that differs from the object around.
"""

from __future__ import annotations

from typing import Any

from shape import Key, Shape

MARKS = {(True, True): "", (False, True): "+", (True, False): "-", (False, False): "?"}
ALWAYS = {mark: always for always, mark in MARKS.items() if mark}
TIMES = {"before": (True, False), "since": (False, True), "both": (True, True)}
LIST, WHEN = "[]", "@"


def write(shape: Shape, around: tuple[bool, bool]) -> Any:
    """Return a shape as JSON.

    Args:
        shape: The shape.
        around: Whether what holds it was recorded before the recent recordings, and since.
    """
    parts: list[Any] = []
    if shape.types:
        parts.append(_scalar(shape))
    if shape.keys is not None:
        seen = shape.before, shape.since
        written = {} if seen == around else {WHEN: next(name for name, value in TIMES.items() if value == seen)}
        for name in sorted(shape.keys):
            key = shape.keys[name]
            written[name + MARKS[key.always_before, key.always_since]] = write(key.shape, seen)
        parts.append(written)
    if shape.items is not None:
        parts.append({LIST: write(shape.items, around)})
    return parts[0] if len(parts) == 1 else parts


def read(written: Any, around: tuple[bool, bool]) -> Shape:
    """Return the shape that `write` wrote."""
    shape = Shape()
    for part in written if isinstance(written, list) else [written]:
        shape |= _part(part, around)
    return shape


def _part(part: Any, around: tuple[bool, bool]) -> Shape:
    if isinstance(part, str):
        types, _, values = part.partition(" = ")
        named = values.split(" | ") if values else []
        recent = frozenset(value for value in named if not value.startswith("("))
        return Shape(
            frozenset(types.split("|")), recent | {value[1:-1] for value in named if value not in recent}, recent
        )
    if set(part) == {LIST}:
        return Shape(items=read(part[LIST], around))
    seen = TIMES[part[WHEN]] if WHEN in part else around
    keys = {}
    for name, inner in part.items():
        if name != WHEN:
            before, since = ALWAYS.get(name[-1], (True, True))
            keys[name[:-1] if name[-1] in ALWAYS else name] = Key(read(inner, seen), before, since)
    return Shape(keys=keys, before=seen[0], since=seen[1])


def _scalar(shape: Shape) -> str:
    values = [value if value in shape.recent_values else f"({value})" for value in sorted(shape.values)]
    return "|".join(sorted(shape.types)) + (f" = {' | '.join(values)}" if values else "")
