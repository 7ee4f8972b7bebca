"""Print the results of checks: as lines for people, or as JSON for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TextIO

from kfp_azureml.runtime.checks import Result, State
from kfp_azureml.runtime.terminal import one_line

_NAME_WIDTH = 30
_STATE_WIDTH = 8


def print_results(results: Iterable[Result], out: TextIO) -> list[Result]:
    """Print each result as soon as it is there, then a summary; return all."""
    done = []
    for result in results:
        out.write(f"{_lines(result)}\n")
        out.flush()
        done.append(result)
    counts = Counter(result.state for result in done)
    numbers = ", ".join(f"{counts[state]} {state.value}" for state in State if counts[state])
    out.write(f"{len(done)} checks: {numbers}\n")
    return done


def print_json(results: Iterable[Result], out: TextIO) -> list[Result]:
    """Print all results as a JSON document; return them."""
    done = list(results)
    document = {"healthy": is_healthy(done), "checks": [_document(result) for result in done]}
    out.write(f"{json.dumps(document, indent=2)}\n")
    return done


def is_healthy(results: Sequence[Result]) -> bool:
    """Tell whether no check failed."""
    return not any(result.state is State.FAILED for result in results)


def _lines(result: Result) -> str:
    # One line each: a service's message could otherwise look like further checks.
    line = one_line(f"{result.state.value:<{_STATE_WIDTH}} {result.name:<{_NAME_WIDTH}} {result.message}")
    mend = f"\n{'':<{_STATE_WIDTH}} {'':<{_NAME_WIDTH}} mend: {one_line(result.mend)}" if result.mend else ""
    return f"{line}{mend}"


def _document(result: Result) -> dict[str, str]:
    return {"name": result.name, "state": result.state.value, "message": result.message, "mend": result.mend}
