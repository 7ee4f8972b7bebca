"""The emulator answers as recorded from Azure ML, except for the differences that are meant."""

from __future__ import annotations

import pytest

import facts
from player import emulator_to_play, play_all
from plays import PLAYS
from report import Report, compare, read_meant


@pytest.fixture(scope="module")
def report() -> Report:
    with emulator_to_play() as emulator:
        return compare(facts.load(), play_all(emulator, PLAYS), read_meant())


def lines(found: tuple[object, ...]) -> str:
    return "\n".join(map(str, found))


def test_only_the_meant_differences_are_found(report: Report) -> None:
    if report.unexpected:
        pytest.fail(f"{len(report.unexpected)} differences:\n{lines(report.unexpected)}", pytrace=False)


def test_every_meant_difference_is_still_one(report: Report) -> None:
    if report.stale:
        pytest.fail(f"take out of meant_differences.txt what is no difference:\n{lines(report.stale)}", pytrace=False)
