from __future__ import annotations

import json

import emulator_coverage


def test_the_page_is_what_make_emulator_coverage_writes() -> None:
    data = json.loads(emulator_coverage.DATA.read_text())

    assert emulator_coverage.PAGE.read_text() == emulator_coverage.render(data), "run make emulator-coverage"


def test_coverage_data_names_existing_operations() -> None:
    data = json.loads(emulator_coverage.DATA.read_text())

    gone = {key for keys in data.values() for key in keys} - emulator_coverage.emulated().keys()
    assert gone == set(), "run make emulator-coverage"
