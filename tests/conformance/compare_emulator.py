"""Print every difference of the emulator from the recordings, one a line: `operation | what`."""

from __future__ import annotations

import sys

import facts
from player import emulator_to_play, play_all
from plays import PLAYS
from report import compare, read_meant

if __name__ == "__main__":
    with emulator_to_play() as emulator:
        report = compare(facts.load(), play_all(emulator, PLAYS), read_meant())
    for difference in report.unexpected:
        sys.stdout.write(f"{difference}\n")
    for entry in report.stale:
        sys.stdout.write(f"no longer a difference: {entry}\n")
    for operation in report.not_emulated:
        sys.stdout.write(f"not emulated: {operation}\n")
    meant = f"{len(report.meant)} meant, {len(report.stale)} no longer differences"
    sys.stdout.write(f"{len(report.unexpected)} differences, {meant}\n")
    sys.exit(bool(report.unexpected or report.stale))
