"""What other operations of a resource show of it: a PUT of 2023 tells what a GET has that was last recorded in 2022.

A list's elements and the answers to GET and PUT of one of them are the same resource.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from exchange import NAMED
from facts import AllFacts, Case, Facts
from shape import Key, Shape, values_at
from situation import KINDS


def effective_shape(recorded: AllFacts, case: Case) -> Shape:
    """Return a body's shape as the recordings of all of its resource's operations show it.

    Where a case was recorded lately, others add keys that it may have. Where it was not, the recent recordings of
    others count instead of its own.
    """
    own = recorded[case].body
    same, others = Shape(), Shape()
    for other, shape in _recent(recorded, case):
        if other.kind == case.kind or _is_list(case.operation) or (_is_list(other.operation) and _may_be(shape, case)):
            same |= shape
        else:
            others |= shape
    if not same.kinds and not others.kinds:
        return own
    shape = own if own.since or not same.since else own | same
    return with_keys_of(with_keys_of(shape, same), others)


def with_keys_of(shape: Shape, other: Shape) -> Shape:
    """Return a shape that may have another's keys as well."""
    keys, items = shape.keys, shape.items
    if keys is not None and other.keys is not None:
        keys = {name: _extended(key, other.keys.get(name)) for name, key in keys.items()}
        keys |= {name: Key(key.shape, False, False) for name, key in other.keys.items() if name not in keys}
    if items is not None and other.items is not None:
        items = with_keys_of(items, other.items)
    return replace(shape, keys=keys, items=items)


def _extended(key: Key, other: Key | None) -> Key:
    return key if other is None else replace(key, shape=with_keys_of(key.shape, other.shape))


def _recent(recorded: AllFacts, case: Case) -> Iterator[tuple[Case, Shape]]:
    """Yield the other recently recorded cases of a resource, with their bodies in the form of the case's own."""
    resource = _resource(case.operation)
    for other, facts in recorded.items():
        if other == case or resource is None or _resource(other.operation) != resource or not _counts(facts):
            continue
        body = facts.body
        if _is_list(other.operation) and not _is_list(case.operation):
            body = _element(body)
        elif _is_list(case.operation) and not _is_list(other.operation):
            body = Shape(keys={"value": Key(Shape(items=body))}, since=True)
        yield other, body


def _may_be(element: Shape, case: Case) -> bool:
    """Return whether a list's elements may be of a case's kind."""
    told = [values_at(element, path) for path in KINDS]
    return all(not kinds or case.kind in kinds for kinds in told)


def _counts(facts: Facts) -> bool:
    return not facts.errors and not facts.contract and facts.body.since


def _element(body: Shape) -> Shape:
    value = body.keys.get("value") if body.keys else None
    return value.shape.items if value and value.shape.items else Shape()


def _is_list(operation: str) -> bool:
    method, _, path = operation.partition(" ")
    return method == "GET" and path.rpartition("/")[2] in NAMED


def _resource(operation: str) -> str | None:
    """Return the path of an element that a GET, a PUT or a list is about."""
    method, _, path = operation.partition(" ")
    if method not in ("GET", "PUT") or "OperationsStatus" in path:
        return None
    return f"{path}/{NAMED[path.rpartition('/')[2]]}" if _is_list(operation) else path
