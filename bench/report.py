"""What was measured, as `latest.json` and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HEAD = """\
# What it costs, side by side

<!-- written by `make bench` -->
Each row compares whole processes of ours with those of a baseline, run alternately; [README.md](README.md) says how,
and what the baselines are. Figures are medians, of accuracies means; a ratio is ours over the baseline's, run by run,
with its smallest and largest in brackets.

"""
ELSEWHERE = """\
On another processor times and ratios differ: a whole `make run` took 39 s on this kind and 247 s on another. And
accuracies repeat to the last digit only on one kind of processor, with as many cores.
"""
COLUMNS = ("", "unit", "baseline", "ours", "ratio", "target", "stretch")
PICTURE = "\n![What prep costs against the number of images](costs.svg)\n"


def latest(kept: Sequence[dict[str, Any]], machine: str) -> dict[str, Any]:
    """Return the document of `latest.json`.

    Args:
        kept: What the store has of each measurement, in the order of the table.
        machine: Where all of it was measured.
    """
    return {
        "rows": [row for measurement in kept for row in measurement["rows"]],
        "machine": machine,
        "date": max((measurement["date"] for measurement in kept), default=None),
        "seconds": round(sum(measurement["seconds"] for measurement in kept), 1),
    }


def page(document: dict[str, Any], remarks: str, missing: Sequence[str] = ()) -> str:
    """Return RESULTS.md.

    Args:
        document: What `latest` gave.
        remarks: What a person has to say to the figures.
        missing: Names of measurements that the document has no rows of.
    """
    rest = f"\nNot yet measured: {', '.join(missing)} (`make bench` measures what is missing).\n" if missing else ""
    if not document["rows"]:
        return f"{HEAD}{rest}\n{remarks}"
    minutes = f"{document['seconds'] / 60:.0f} minutes"
    measured = f"Measured {document['date'][:10]} in {minutes}, every figure on {document['machine']}.\n{ELSEWHERE}"
    picture = PICTURE if has_picture(document) else ""
    return f"{HEAD}{measured}\n{table(document['rows'])}{rest}{picture}\n{remarks}"


def has_picture(document: dict[str, Any]) -> bool:
    """Say whether there is anything to draw: costs of a number of images."""
    return any(row["images"] for row in document["rows"])


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [_line(COLUMNS), _line(["---"] * len(COLUMNS)), *(_line(_cells(row)) for row in rows)]
    return "".join(lines)


def _cells(row: dict[str, Any]) -> list[str]:
    name = row["name"] + (f" ({row['note']})" if row["note"] else "")
    ratio = (
        "" if row["ratio"] is None else f"{_figure(row['ratio'])} ({' to '.join(map(_figure, row['ratio_spread']))})"
    )
    return [
        name,
        row["unit"],
        _figure(row["baseline"]),
        _figure(row["ours"]),
        ratio,
        _goal(row, row["target"], row["met"]),
        _goal(row, row["stretch"], row["stretch_met"]),
    ]


def _goal(row: dict[str, Any], figure: float | None, met: bool | None) -> str:
    if figure is None:
        return ""
    quantity, _, direction = row["goal"].partition(" ")
    sign = "≤" if direction == "at most" else "≥"
    wanted = (
        f"1/{1 / figure:.0f}" if quantity == "ratio" and figure < 0.5 and (1 / figure) % 1 < 1e-9 else _figure(figure)
    )
    return f"{sign} {wanted} {'met' if met else '**missed**'}"


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
