from __future__ import annotations

import json

import emulator_coverage


def test_the_page_is_what_make_emulator_coverage_writes() -> None:
    data = json.loads(emulator_coverage.DATA.read_text())

    assert emulator_coverage.PAGE.read_text() == emulator_coverage.render(data), "run make emulator-coverage"


def test_who_asked_for_what_is_about_operations_that_are_there() -> None:
    data = json.loads(emulator_coverage.DATA.read_text())

    gone = {key for keys in data.values() for key in keys} - emulator_coverage.keys()
    assert gone == set(), "run make emulator-coverage"
