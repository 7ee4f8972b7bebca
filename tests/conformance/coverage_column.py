"""Write the column `real service` of emulator/COVERAGE.md, from the recorded facts and the meant differences."""

from __future__ import annotations

import json
from collections.abc import Iterable

import emulator_coverage
import facts
from emulator_operations import Operation
from evidence import Years, total
from exchange import MANAGEMENT, operation_parts
from facts import AllFacts
from report import Meant, read_meant
from unplayed import UNPLAYED


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


def write() -> None:
    """Write the column."""
    data = json.loads(emulator_coverage.DATA.read_text())
    emulator_coverage.write({**data, emulator_coverage.REAL_SERVICE: column(facts.load(), read_meant())})


if __name__ == "__main__":
    write()
