"""The facts, the requests that are played, and the pages that tell of both."""

from __future__ import annotations

import json

import pytest

import coverage_column
import emulator_coverage
import facts
from plays import PLAYED
from report import read_meant
from unplayed import UNPLAYED

RECORDED = facts.load()


def test_the_file_is_small_and_as_it_is_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
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


@pytest.mark.parametrize("page", ["README.md", "REFERENCE.md"])
def test_the_figures_in_the_pages_are_what_the_facts_say(page: str) -> None:
    text = " ".join((emulator_coverage.EMULATOR / page).read_text().split())
    assert coverage_column.figures(RECORDED) in text


def test_the_column_of_coverage_is_what_the_facts_say() -> None:
    column = json.loads(emulator_coverage.DATA.read_text())[emulator_coverage.REAL_SERVICE]
    assert column == coverage_column.column(RECORDED, read_meant()), "run make conformance-facts"
