"""Differences between an answer and the recorded facts of its case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import headers
from error_form import error_form
from evidence import Counted, accepted
from exchange import Exchange
from facts import AllFacts, Case, Facts
from shape import ANY, ANYTHING, BAGS, CHOSEN, ENUMERATIONS, FREE, Shape, is_name, name_inside, type_of, values_at
from siblings import effective_shape
from situation import INSTEAD, KINDS, REPLACED, at, kind_of


@dataclass(frozen=True, order=True)
class Difference:
    """One difference, in one line.

    Attributes:
        operation: The operation.
        what: What differs: `status is 200, recorded 201 (31 times)`.
    """

    operation: str
    what: str

    def __str__(self) -> str:
        return f"{self.operation} | {self.what}"


def find_facts(recorded: AllFacts, case: Case) -> tuple[Case, Facts] | None:
    """Return the facts that hold for a case, or None if nothing was recorded of it.

    An old answer to a PUT over what exists is not the service's any more if a recent 201 said that it is `Updating`.
    """
    kinds = [each.kind for each in recorded if each.operation == case.operation and each.situation == case.situation]
    kind = next((each for each in kinds if each.lower() == case.kind.lower()), None)
    found = None if kind is None else Case(case.operation, case.situation, kind)
    other = Case(case.operation, INSTEAD.get(case.situation, ""), case.kind)
    if found is None:
        return (other, recorded[other]) if other in recorded else None
    if case.situation == REPLACED and other in recorded and not recorded[found].body.since:
        body = recorded[other].body
        found = other if body.since and "Updating" in values_at(body, ("properties", "provisioningState")) else found
    return found, recorded[found]


def differences(recorded: AllFacts, answer: Exchange, situation: str) -> Iterator[Difference]:
    """Yield how an answer differs from what was recorded of its operation in a situation."""
    kind = kind_of(answer)
    found = find_facts(recorded, Case(answer.operation, situation, kind))
    if found is None:
        known = sorted(
            {case.kind for case in recorded if (case.operation, case.situation) == (answer.operation, situation)}
        )
        if answer.status < 400 and any(known) and not kind:
            yield Difference(answer.operation, f"kind is not told, recorded {', '.join(known)}")
        return
    case, facts = found
    # The state of what exists is that of the moment; what a creation or an operation answers is a fact.
    exists = situation == REPLACED or (answer.method == "GET" and "OperationsStatus" not in answer.path)
    chosen = CHOSEN | {"status"} if exists else CHOSEN
    # An error's codes are compared as its form.
    shape = facts.body if facts.errors else effective_shape(recorded, case)
    body = _Body(ENUMERATIONS if facts.errors else chosen, bool(facts.contract))
    for what in _differences(facts, answer, body, shape):
        yield Difference(case.operation, what)


def _differences(facts: Facts, answer: Exchange, body: _Body, shape: Shape) -> Iterator[str]:
    status = str(answer.status)
    if status not in accepted(facts.statuses):
        yield f"status is {status}, recorded {_told(facts.statuses)}"
        return
    for name, fact in headers.facts_of(answer):
        # The contract's examples show no headers.
        if name in facts.headers and fact not in accepted(facts.headers[name]):
            yield f"header {name} is {fact}, recorded {_told(facts.headers[name])}"
    form = error_form(answer)
    if form and form not in accepted(facts.errors):
        yield f"error is {form}, recorded {_told(facts.errors)}"
    yield from body.in_shape(shape, answer.body, "")


@dataclass(frozen=True)
class _Body:
    """Compares bodies with shapes.

    Attributes:
        chosen: Enumerations of which only the spelling is compared.
        is_published: Whether the shape is an example's: then only keys that are missing count.
    """

    chosen: frozenset[str]
    is_published: bool = False

    def in_shape(self, shape: Shape, value: Any, place: str, name: str = "") -> Iterator[str]:
        # Where an empty list was recorded, nothing is known of what it would hold.
        if not shape.kinds or ANYTHING in shape.kinds or (name in FREE and isinstance(value, str | None)):
            return
        kind = "object" if isinstance(value, dict) else "list" if isinstance(value, list) else type_of(value)
        allowed = shape.kinds
        is_text = kind not in {"object", "list", "boolean", "number", "null"}
        is_allowed = kind in allowed or (is_text and "string" in allowed)
        if not is_allowed and not self.is_published:
            yield f"{place or 'body'} is {kind}, recorded {'|'.join(sorted(allowed))}"
        elif isinstance(value, dict):
            yield from self._in_object(shape, value, place, name)
        elif isinstance(value, list) and shape.items is not None:
            known = [inner for inner in value if _is_of_a_known_kind(shape.items, inner)]
            yield from dict.fromkeys(
                what for inner in known for what in self.in_shape(shape.items, inner, f"{place}[]", name)
            )
        elif shape.values and value is not None:
            yield from self._in_values(shape, str(value), place, name)

    def _in_object(self, shape: Shape, value: dict[str, Any], place: str, name: str) -> Iterator[str]:
        keys = shape.keys or {}
        for key in keys:
            if key != ANY and key not in value and shape.is_required(keys[key]):
                yield f"{_inside(place, key)} is missing"
        told = set()
        for key, inner in value.items():
            known = key if key in keys else ANY
            if known == ANY and known in keys and not isinstance(inner, dict | list):
                continue  # a user's own value
            if known in keys:
                told |= set(
                    self.in_shape(keys[known].shape, inner, _inside(place, known), name_inside(name, value, key))
                )
            elif not (self.is_published or (name in BAGS and is_name(name, key))):
                yield f"{_inside(place, key)} was never recorded"
        yield from sorted(told)

    def _in_values(self, shape: Shape, value: str, place: str, name: str) -> Iterator[str]:
        """Where one value was recorded in two spellings, the recent one is right."""
        recent = {each.lower() for each in shape.recent_values}
        right = {each for each in shape.values if each in shape.recent_values or each.lower() not in recent}
        same = sorted(each for each in right if each.lower() == value.lower())
        if value not in right and (same or name not in self.chosen):
            yield f"{place} is {value!r}, recorded {' | '.join(same or sorted(right))}"


def _is_of_a_known_kind(shape: Shape, value: Any) -> bool:
    """Return whether a list's element is of a kind that was recorded in it: each has keys of its own."""
    for path in KINDS:
        told, known = at(value, path), {each.lower() for each in values_at(shape, path)}
        if isinstance(told, str) and known and told.lower() not in known:
            return False
    return True


def _inside(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _told(counted: Counted) -> str:
    """Tell what was recorded: `201 (31 times, 2022 to 2024)`."""
    told = []
    for value in accepted(counted):
        years = counted[value]
        first, last = min(years), max(years)
        told.append(f"{value} ({sum(years.values())} times, {first if first == last else f'{first} to {last}'})")
    return " or ".join(told)
