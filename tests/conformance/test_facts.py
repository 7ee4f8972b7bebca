"""The facts, the requests that are played, and the pages that tell of both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import coverage_column
import emulator_coverage
import exchange
import facts
from plays import PLAYED
from report import read_meant
from unplayed import UNPLAYED

RECORDED = facts.load()


def test_the_file_is_small_and_as_it_is_written(tmp_path: Path) -> None:
    facts.save(RECORDED, tmp_path / "facts.json")
    assert (tmp_path / "facts.json").read_text() == facts.FILE.read_text()
    assert facts.FILE.stat().st_size < 200_000


def test_every_operation_that_is_recorded_and_emulated_is_played() -> None:
    emulated = emulator_coverage.emulated().values()
    recorded = {
        name
        for name in coverage_column.recorded_operations(RECORDED)
        if any(coverage_column.is_for(operation, name) for operation in emulated)
    }
    assert recorded - PLAYED == UNPLAYED.keys()


def test_recordings_are_added_to_the_facts(tmp_path: Path) -> None:
    row = {
        "source": {"recorded": "Nov 2026"},
        "host": "management.azure.com",
        "method": "GET",
        "path": "/subscriptions/{subscription}/resourceGroups/{rg}/providers/x/workspaces/{workspace}/models/{name}",
        "status": 200,
        "headers": {"Retry-After": "1"},
        "body": {"name": "<name>"},
        "times": 2,
    }
    (tmp_path / "added.jsonl").write_text(json.dumps(row) + "\n")
    added = facts.collect(exchange.read(tmp_path / "added.jsonl"))
    ((case, one),) = added.items()
    merged = facts.merge([*RECORDED.items(), *added.items()])[case]
    assert merged.statuses["200"] == {**RECORDED[case].statuses["200"], "2026": 2}
    assert merged.headers["retry-after"]["given"] == {"2026": 2}
    assert one.body.keys is not None
    assert merged.body.is_required(merged.body.keys["name"])
    assert not merged.body.is_required(merged.body.keys["properties"])


@pytest.mark.parametrize("line", ["GET WS", "GET WS | status is 200", "GET WS | status is 200 | "])
def test_a_meant_difference_needs_a_reason(tmp_path: Path, line: str) -> None:
    (tmp_path / "meant.txt").write_text(f"# a comment\n\n{line}\n")
    with pytest.raises(ValueError, match="line 3: write"):
        read_meant(tmp_path / "meant.txt")


@pytest.mark.parametrize("page", coverage_column.PAGES)
def test_the_figures_in_the_pages_are_what_the_facts_say(page: str) -> None:
    text = (emulator_coverage.EMULATOR / page).read_text()
    assert coverage_column.with_figures(text, coverage_column.figures(RECORDED)) == text, "run make conformance-facts"


def test_the_column_of_coverage_is_what_the_facts_say() -> None:
    column = json.loads(emulator_coverage.DATA.read_text())[emulator_coverage.REAL_SERVICE]
    assert column == coverage_column.column(RECORDED, read_meant()), "run make conformance-facts"
