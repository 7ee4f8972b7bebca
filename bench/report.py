"""RESULTS.md: the stored measurements as a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HEAD = """\
# Results, side by side with a baseline

<!-- written by `make bench` -->
Each row compares whole processes of the suite ("ours") with those of a baseline, run alternately;
[README.md](README.md) describes the method and the baselines. Figures are medians, for accuracies means; a ratio is
ours over the baseline's, run by run, with the smallest and the largest in brackets.

"""
ELSEWHERE = """\
On another processor times and ratios differ: a whole `make run` took 38 s on this one and 247 s on another. Accuracies
repeat to the last digit only on the same kind of processor with as many cores.
"""
OLDER = """\
Measured from {date} on, on the same machine. The measured code has changed since, and the figures may have, too;
`make bench` measures them again.
"""
COLUMNS = ("", "unit", "baseline", "ours", "ratio", "target", "stretch")
PICTURE = "\n![Cost of prep against the number of images](costs.svg)\n"


def page(
    kept: Sequence[dict[str, Any]],
    machine: str,
    remarks: str,
    older: Sequence[dict[str, Any]] = (),
    missing: Sequence[str] = (),
) -> str:
    """Return RESULTS.md.

    Args:
        kept: The stored documents of the measurements, in the order of the table.
        machine: The machine that they were measured on.
        remarks: Markdown to append.
        older: Documents of which input files have changed since, measured on the same machine.
        missing: Names of the measurements that are not stored.
    """
    rest = f"\nNot yet measured: {', '.join(missing)} (`make bench` measures what is missing).\n" if missing else ""
    if older:
        date = min(measurement["date"] for measurement in older)[:10]
        rows = [row for measurement in older for row in measurement["rows"]]
        rest += f"\n## Older results\n\n{OLDER.format(date=date)}\n{table(rows)}"
    if not kept:
        return f"{HEAD}{rest}\n{remarks}"
    rows = [row for measurement in kept for row in measurement["rows"]]
    date = max(measurement["date"] for measurement in kept)[:10]
    minutes = sum(measurement["seconds"] for measurement in kept) / 60
    measured = f"Measured {date} in {minutes:.0f} minutes, every figure on {machine}.\n{ELSEWHERE}"
    picture = PICTURE if any(has_costs(measurement) for measurement in kept) else ""
    return f"{HEAD}{measured}\n{table(rows)}{picture}{rest}\n{remarks}"


def has_costs(measurement: dict[str, Any]) -> bool:
    """Return whether a measurement has rows for the picture: the cost of a number of images."""
    return any(row["images"] for row in measurement["rows"])


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
