"""Evaluate the condition of a `dsl.If` as the job of an Azure ML if_else node.

It uses only the standard library and supports the same Python versions as kfp, since it runs in a step's image.
"""

from __future__ import annotations

import argparse
import json
import operator
import os
from pathlib import Path
from typing import Any

from job_text import PARAMETER, decode
from output_values import write_values

DEFINITION = "azureml.json"
"""File with the comparisons, `terms`."""
OUTPUT = "is_met"
COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def is_met(terms: list[dict[str, Any]], values: dict[str, str]) -> bool:
    """Tell whether all comparisons are true.

    Args:
        terms: Each has `left`, `comparison`, `right`, `negated` and `as`, the type of the comparison. An operand is
            `{"value": ..}` or `{"input": NAME}`.
        values: Input values by name.
    """

    def holds(term: dict[str, Any]) -> bool:
        left, right = (_operand(term[side], values, term["as"]) for side in ("left", "right"))
        return bool(COMPARISONS[term["comparison"]](left, right)) != bool(term["negated"])

    return all(map(holds, terms))


def _operand(operand: dict[str, str], values: dict[str, str], kind: str) -> Any:
    text = values[operand["input"]] if "input" in operand else operand["value"]
    if kind == "number":
        return float(text)
    return text.lower() == "true" if kind == "boolean" else text


def main() -> None:
    """Evaluate the condition, log the result, and pass it to Azure ML."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", required=True, metavar="PATH", help="File for the result.")
    arguments = parser.parse_args()
    terms = json.loads((Path(__file__).parent / DEFINITION).read_text(encoding="utf-8"))["terms"]
    operands = [term[side] for term in terms for side in ("left", "right")]
    names = {operand["input"] for operand in operands if "input" in operand}
    values = {name: decode(os.environ.get(f"{PARAMETER}{name}", "")) for name in sorted(names)}
    answer = is_met(terms, values)
    print(f"With {values} the condition is {'met' if answer else 'not met: the steps that need it are skipped'}")
    write_values({OUTPUT: answer}, {OUTPUT: arguments.output})


if __name__ == "__main__":
    main()
