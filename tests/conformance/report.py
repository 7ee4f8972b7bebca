"""Every difference of the emulator from the recordings, and those among them that are meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from comparison import Difference, differences
from error_form import error_form
from facts import AllFacts
from page_sizes import PAGE_SIZES
from player import Played
from reported import REPORTS
from situation import PAGE

MEANT = Path(__file__).with_name("meant_differences.txt")


@dataclass(frozen=True)
class Meant:
    """A difference that is meant.

    Attributes:
        operation: The operation; `*` stands for any text.
        what: What differs; `*` as well.
        reason: Why.
    """

    operation: str
    what: str
    reason: str

    def covers(self, difference: Difference) -> bool:
        """Return whether this is the difference."""
        return _matches(difference.operation, self.operation) and _matches(difference.what, self.what)

    def is_of(self, operation: str) -> bool:
        """Return whether this is about an operation, not about all of them."""
        return self.operation != "*" and _matches(operation, self.operation)

    def __str__(self) -> str:
        return f"{self.operation} | {self.what} | {self.reason}"


@dataclass(frozen=True)
class Report:
    """The result of a comparison.

    Attributes:
        unexpected: Differences that are not meant.
        meant: Those that are, each with its entry.
        stale: Entries that no difference has any more.
        not_emulated: Operations that answer 501.
    """

    unexpected: tuple[Difference, ...]
    meant: tuple[tuple[Difference, Meant], ...]
    stale: tuple[Meant, ...]
    not_emulated: tuple[str, ...]


def compare(recorded: AllFacts, played: Iterable[Played], meant: Iterable[Meant]) -> Report:
    """Compare answers with what was recorded."""
    played, entries = list(played), list(meant)
    refused = {each.answer.operation for each in played if each.answer.status == 501}
    found = sorted({what for each in played if each.answer.operation not in refused for what in _all(recorded, each)})
    pairs = [(each, next((entry for entry in entries if entry.covers(each)), None)) for each in found]
    used = {entry for _, entry in pairs if entry}
    return Report(
        tuple(each for each, entry in pairs if entry is None),
        tuple((each, entry) for each, entry in pairs if entry),
        tuple(entry for entry in entries if entry not in used),
        tuple(sorted(refused)),
    )


def read_meant(path: Path = MEANT) -> list[Meant]:
    """Read meant differences: `operation | what | reason`, one a line; `#` begins a comment.

    Raises:
        ValueError: If a line has another form.
    """
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            # What was recorded may be several values with bars between them.
            operation, what, reason = (line.split(" | ")[0], " | ".join(line.split(" | ")[1:-1]), line.split(" | ")[-1])
            if not what or not reason.strip():
                raise ValueError(f"{path.name}, line {number}: write `operation | what | reason`")
            entries.append(Meant(operation.strip(), what.strip(), reason.strip()))
    return entries


def _all(recorded: AllFacts, played: Played) -> Iterator[Difference]:
    yield from differences(recorded, played.answer, played.situation)
    yield from _against_reports(played)
    yield from _page_size(played)


def _against_reports(played: Played) -> Iterator[Difference]:
    report = REPORTS.get((played.answer.operation, played.situation))
    if report is None:
        return
    form = error_form(played.answer).partition(" [")[0]
    if (played.answer.status, form) != (report.status, report.codes):
        what = f"{played.situation}: {played.answer.status} {form}, reported {report.status} {report.codes}"
        yield Difference(played.answer.operation, what)


def _page_size(played: Played) -> Iterator[Difference]:
    kind = played.answer.path.rpartition("/")[2]
    if played.situation != PAGE or kind not in PAGE_SIZES:
        return
    size = len(played.answer.body["value"])
    if size != PAGE_SIZES[kind]:
        yield Difference(played.answer.operation, f"a page has {size} elements, recorded {PAGE_SIZES[kind]}")


def _matches(text: str, pattern: str) -> bool:
    """Compare with `*` as the only wildcard."""
    return fnmatchcase(text, pattern.replace("[", "[[]").replace("?", "[?]"))
