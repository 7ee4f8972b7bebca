"""MLflow's search language: `metrics.accuracy > 0.9 and tags.team LIKE 'a%'`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from azureml_emulator.tracking.errors import invalid

Record = Mapping[str, Mapping[str, Any]]
"""A searched record: `metrics`, `params`, `tags` and `attributes`, each by name."""

KINDS = {
    **dict.fromkeys(("metrics", "metric"), "metrics"),
    **dict.fromkeys(("params", "param", "parameters", "parameter"), "params"),
    **dict.fromkeys(("tags", "tag"), "tags"),
    **dict.fromkeys(("attributes", "attribute", "attr", "run"), "attributes"),
}
ALIASES = {"created": "start_time", "run name": "run_name"}
NUMBER_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
}
TEXT_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "LIKE": lambda text, pattern: _like(pattern).fullmatch(text) is not None,
    "ILIKE": lambda text, pattern: _like(pattern.lower()).fullmatch(text.lower()) is not None,
    "IN": lambda text, values: text in values,
    "NOT IN": lambda text, values: text not in values,
}
TEXT = r"'[^']*'|\"[^\"]*\""
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
NAME = r"(?:(?P<kind>\w+)\s*\.\s*)?(?P<name>`[^`]*`|\"[^\"]*\"|[\w./:-]+)"
CLAUSE = re.compile(
    rf"\s*{NAME}\s*(?P<comparison>!=|>=|<=|=|>|<|\bNOT\s+IN\b|\bIN\b|\bI?LIKE\b)\s*"
    rf"(?P<value>{TEXT}|{NUMBER}|\(\s*(?:{TEXT})(?:\s*,\s*(?:{TEXT}))*\s*,?\s*\))\s*",
    re.IGNORECASE,
)
AND = re.compile(r"AND\b", re.IGNORECASE)
ORDER = re.compile(rf"\s*{NAME}(?:\s+(?P<direction>ASC|DESC))?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Clause:
    """One comparison.

    Attributes:
        kind: `metrics`, `params`, `tags` or `attributes`.
        name: The name of the compared value.
        compare: Compares the record's value with the filter's.
        value: The filter's value.
    """

    kind: str
    name: str
    compare: Callable[[Any, Any], bool]
    value: Any


def parse_filter(text: str, attributes: Mapping[str, type]) -> list[Clause]:
    """Read a filter: comparisons joined by AND, or nothing.

    Args:
        text: The filter.
        attributes: The known attributes and their types.

    Raises:
        MlflowError: 400, if it cannot be read.
    """
    clauses: list[Clause] = []
    position = 0
    while text[position:].strip():
        if clauses:
            joint = AND.match(text, position)
            position = joint.end() if joint else position
        found = CLAUSE.match(text, position)
        if found is None or (clauses and not joint):
            raise invalid(f"The filter {text!r} is invalid from {text[position:]!r} on.")
        clauses.append(_clause(found, attributes))
        position = found.end()
    return clauses


def matches(clauses: list[Clause], record: Record) -> bool:
    """Return whether all comparisons hold; missing values match nothing."""
    return all(
        (value := record[clause.kind].get(clause.name)) is not None and clause.compare(value, clause.value)
        for clause in clauses
    )


def sort(records: list[Record], order_by: list[str], attributes: Mapping[str, type], last: list[str]) -> list[Record]:
    """Sort records; those without a value come last.

    Args:
        records: The records.
        order_by: Names, each with ASC, DESC or neither; the first is the primary key.
        attributes: The known attributes and their types.
        last: More of `order_by`, for ties.

    Raises:
        MlflowError: 400, if an order cannot be read.
    """
    ordered = list(records)
    for text in reversed([*order_by, *last]):
        found = ORDER.fullmatch(text)
        if found is None:
            raise invalid(f"The order {text!r} is invalid: use a name, then ASC or DESC.")
        kind, name = _what(found, attributes)
        # NaN cannot be ordered: it goes with missing values.
        there = [record for record in ordered if _is_ordered(record[kind].get(name))]
        missing = [record for record in ordered if not _is_ordered(record[kind].get(name))]
        descending = (found["direction"] or "ASC").upper() == "DESC"
        there.sort(key=lambda record, kind=kind, name=name: record[kind][name], reverse=descending)  # type: ignore[misc]
        ordered = [*there, *missing]
    return ordered


def _clause(found: re.Match[str], attributes: Mapping[str, type]) -> Clause:
    kind, name = _what(found, attributes)
    is_number = kind == "metrics" or (kind == "attributes" and attributes[name] is not str)
    comparison = " ".join(found["comparison"].upper().split())
    comparisons = NUMBER_COMPARISONS if is_number else TEXT_COMPARISONS
    if comparison not in comparisons or (kind in ("params", "tags") and comparison.endswith("IN")):
        raise invalid(f"{found['comparison']!r} is not a comparison for {kind}.{name}.")
    value: Any = found["value"]
    if is_number:
        if value[0] in "'\"(":
            raise invalid(f"{kind}.{name} must be compared with a number, not {value}.")
        value = float(value)
    elif comparison.endswith("IN"):
        if value[0] != "(":
            raise invalid(f"{comparison} needs a list such as ('a', 'b'), not {value}.")
        value = [text[1:-1] for text in re.findall(TEXT, value)]
    elif value[0] not in "'\"":
        raise invalid(f"{kind}.{name} must be compared with a quoted string, not {value}.")
    else:
        value = value[1:-1]
    return Clause(kind, name, comparisons[comparison], value)


def _what(found: re.Match[str], attributes: Mapping[str, type]) -> tuple[str, str]:
    kind = KINDS.get((found["kind"] or "attributes").lower())
    name = found["name"][1:-1] if found["name"][0] in '`"' else found["name"]
    if kind is None:
        raise invalid(f"{found['kind']!r} is not one of {', '.join(sorted(set(KINDS.values())))}.")
    if kind == "attributes":
        name = ALIASES.get(name.lower(), name)
        if name not in attributes:
            raise invalid(f"{name!r} is not one of the attributes {', '.join(attributes)}.")
    return kind, name


def _is_ordered(value: Any) -> bool:
    # NaN differs from itself.
    return value is not None and value == value


def _like(pattern: str) -> re.Pattern[str]:
    context = [{"%": ".*", "_": "."}.get(character, re.escape(character)) for character in pattern]
    return re.compile("".join(context), re.DOTALL)
