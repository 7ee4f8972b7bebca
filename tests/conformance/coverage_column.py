"""Write the column `real service` of emulator/COVERAGE.md, and the figures in its pages, from the recorded facts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import emulator_coverage
import facts
from emulator_operations import Operation
from evidence import Years, total
from exchange import MANAGEMENT, operation_parts
from facts import AllFacts
from report import Meant, read_meant
from unplayed import UNPLAYED

PAGES = ("README.md", "REFERENCE.md")


def column(recorded: AllFacts, meant: Iterable[Meant]) -> dict[str, str]:
    """Return the text for each emulated operation that was recorded, by its key in coverage.json."""
    reasons = list(meant)
    names: dict[str, list[str]] = {}
    for name in recorded_operations(recorded):
        # As a request would be answered: by the first route that matches.
        if key := next((key for key, each in emulator_coverage.emulated().items() if is_for(each, name)), None):
            names.setdefault(key, []).append(name)
    return {key: _text(recorded, found, reasons) for key, found in names.items()}


def recorded_operations(recorded: AllFacts) -> list[str]:
    """Return the operations that were recorded or have a published example."""
    return list(dict.fromkeys(case.operation for case in recorded))


def is_for(operation: Operation, name: str) -> bool:
    """Return whether a recorded operation is an emulated one."""
    method, host, path = operation_parts(name, emulator_coverage.WORKSPACE_ID)
    return operation.matches(method, host, path)


def _text(recorded: AllFacts, names: list[str], meant: list[Meant]) -> str:
    found = [facts for case, facts in recorded.items() if case.operation in names]
    contracts = sorted({facts.contract for facts in found} - {""})
    source = f"published example of {contracts[-1]}" if contracts else told(total(facts.years for facts in found))
    if unplayed := [UNPLAYED[name] for name in names if name in UNPLAYED]:
        return f"{source}, not compared: {'; '.join(unplayed)}"
    reasons = dict.fromkeys(entry.reason for entry in meant for name in names if entry.is_of(name))
    if reasons:
        return f"differs: {'; '.join(reasons)}"
    return f"{source} only" if contracts else f"conforms to {source}"


def figures(recorded: AllFacts) -> str:
    """Return the sentence with which emulator/README.md tells how far the emulator is compared."""
    managed = {key for key, each in emulator_coverage.emulated().items() if each.host == MANAGEMENT}
    published = managed & column({case: each for case, each in recorded.items() if each.contract}, ()).keys()
    found = managed & column(recorded, ()).keys() - published
    years = total(facts.years for facts in recorded.values() if not facts.contract)
    return (
        f"Of the {len(managed)} Resource Manager operations that it emulates, {len(found)} were recorded"
        f" ({sum(years.values()):,} exchanges, {min(years)} to {max(years)}), and {len(published)} more have published"
        " examples"
    )


def told(years: Years) -> str:
    """Tell how often something was recorded, and when."""
    first, last = min(years), max(years)
    number = sum(years.values())
    return f"{number} recording{'s' * (number != 1)} of {first if first == last else f'{first} to {last}'}"


def with_figures(text: str, sentence: str) -> str:
    """Return a page's text with the figures of a sentence that is in it, however its lines are broken.

    Raises:
        ValueError: If the sentence is not in it once.
    """
    words = sentence.split()
    pattern = r"\s+".join(re.sub(r"\d[\d,]*", r"[\\d,]+", re.escape(word)) for word in words)
    parts = re.split(f"({pattern})", text)
    if len(parts) != 3:
        raise ValueError(f"a page must say once: {sentence}")
    breaks = re.findall(r"\s+", parts[1])
    told = "".join(word + space for word, space in zip(words, [*breaks, ""], strict=True))
    return parts[0] + told + parts[2]


def write() -> None:
    """Write the column, and the figures in the emulator's pages."""
    recorded = facts.load()
    data = json.loads(emulator_coverage.DATA.read_text())
    emulator_coverage.write({**data, emulator_coverage.REAL_SERVICE: column(recorded, read_meant())})
    for name in PAGES:
        page = emulator_coverage.EMULATOR / name
        page.write_text(with_figures(page.read_text(), figures(recorded)))


if __name__ == "__main__":
    write()
