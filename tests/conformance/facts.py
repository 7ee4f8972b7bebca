"""Facts of recorded exchanges, by operation, situation and kind of resource; and their file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import headers
import shape_text
from error_form import error_form
from evidence import Counted, Years, is_recent, total
from exchange import Exchange
from shape import Shape, shape_of
from situation import kind_of, situation_of

FILE = Path(__file__).with_name("facts.json")


@dataclass(frozen=True, order=True)
class Case:
    """What facts are about.

    Attributes:
        operation: Method and path, such as `PUT WS/onlineEndpoints/{endpoint}`.
        situation: See `situation.py`.
        kind: The kind of resource, or of an operation; empty if there is only one.
    """

    operation: str
    situation: str
    kind: str = ""


@dataclass(frozen=True)
class Facts:
    """What was recorded of one case.

    Attributes:
        statuses: HTTP statuses.
        headers: Each header's facts.
        errors: Forms of the error, see `error_form.py`.
        body: The body's shape.
        contract: The API version whose published examples this is from; empty if it was recorded.
    """

    statuses: Counted
    headers: Mapping[str, Counted] = field(default_factory=dict)
    errors: Counted = field(default_factory=dict)
    body: Shape = field(default_factory=Shape)
    contract: str = ""

    @property
    def years(self) -> Years:
        """How many exchanges were recorded, by year."""
        return total(self.statuses.values())

    def __or__(self, other: Facts) -> Facts:
        names = [*self.headers, *(name for name in other.headers if name not in self.headers)]
        merged = {name: _added(self.headers.get(name, {}), other.headers.get(name, {})) for name in names}
        statuses, errors = _added(self.statuses, other.statuses), _added(self.errors, other.errors)
        return Facts(statuses, merged, errors, self.body | other.body, self.contract)


AllFacts = Mapping[Case, Facts]


def collect(exchanges: Iterable[Exchange]) -> dict[Case, Facts]:
    """Return the facts of exchanges."""
    return merge(of(each) for each in exchanges)


def merge(pairs: Iterable[tuple[Case, Facts]]) -> dict[Case, Facts]:
    """Return facts with those of the same case merged, sorted."""
    found: dict[Case, Facts] = {}
    for case, facts in pairs:
        found[case] = found[case] | facts if case in found else facts
    return dict(sorted(found.items()))


def of(exchange: Exchange) -> tuple[Case, Facts]:
    count = {str(exchange.year): exchange.times}
    form = error_form(exchange)
    facts = Facts(
        {str(exchange.status): count},
        {name: {fact: count} for name, fact in headers.facts_of(exchange)},
        {form: count} if form else {},
        shape_of(exchange.body, exchange.year),
    )
    return Case(exchange.operation, situation_of(exchange), kind_of(exchange)), facts


def _added(one: Counted, other: Counted) -> dict[str, Years]:
    names = sorted({*one, *other})
    return {name: total([one.get(name, {}), other.get(name, {})]) for name in names}


def save(facts: AllFacts, path: Path = FILE) -> None:
    """Write facts into a file: a line with each case, its counts, and its body."""
    lines = []
    for case, each in facts.items():
        head = {"operation": case.operation, "situation": case.situation}
        head |= {"kind": case.kind} if case.kind else {}
        head |= {"contract": each.contract} if each.contract else {}
        counts = {"statuses": each.statuses, **_present(each)}
        body = shape_text.write(each.body, _generations(each.years))
        lines.append(_lines({**head, **counts, "body": body}, 3))
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def load(path: Path = FILE) -> dict[Case, Facts]:
    """Read what `save` wrote."""
    return dict(_loaded(json.loads(path.read_text())))


def _loaded(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Case, Facts]]:
    for row in rows:
        years = total(row["statuses"].values())
        found: dict[str, Counted] = dict(row.get("headers", {}))
        for name in () if "contract" in row else headers.HEADERS:
            found.setdefault(name, {headers.ABSENT: years})
        body = shape_text.read(row["body"], _generations(years))
        case = Case(row["operation"], row["situation"], row.get("kind", ""))
        yield case, Facts(row["statuses"], dict(found), row.get("errors", {}), body, row.get("contract", ""))


def _present(facts: Facts) -> dict[str, Any]:
    """Return what there is besides statuses; a header that was never there is left out."""
    seen = {name: values for name, values in facts.headers.items() if set(values) != {headers.ABSENT}}
    return {**({"headers": seen} if seen else {}), **({"errors": facts.errors} if facts.errors else {})}


def _generations(years: Years) -> tuple[bool, bool]:
    recent = {is_recent(int(year)) for year in years}
    return False in recent, True in recent


def _lines(value: Any, depth: int, indent: str = " ") -> str:
    """Return JSON with a line for each key down to a depth, so that differences of two versions can be read."""
    if not isinstance(value, dict) or not value or not depth or len(json.dumps(value)) < 100:
        return json.dumps(value, ensure_ascii=False)
    inner = (f"{indent}{json.dumps(key)}: {_lines(each, depth - 1, indent + ' ')}" for key, each in value.items())
    return "{\n" + ",\n".join(inner) + "}"
