"""Measuring a command as a whole process."""

import sys

import pytest

from bench.usage import CommandError, measure

PYTHON = (sys.executable, "-I", "-S", "-c")


def test_user_cpu_and_memory_are_those_of_the_command_and_its_children() -> None:
    hungry = "data = bytearray(200_000_000); [None for _ in range(20_000_000)]"
    used = measure([*PYTHON, f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hungry!r}])"])
    assert used.user > 0
    assert 200e6 < used.peak_rss < 400e6


def test_memory_of_this_process_does_not_count() -> None:
    held = bytearray(300_000_000)
    assert measure([*PYTHON, "pass"]).peak_rss < 100e6
    assert held


def test_the_output_and_the_environment_are_handed_on() -> None:
    used = measure([*PYTHON, "import os; print(os.environ['A_NAME'])"], environment={"A_NAME": "a value"})
    assert used.output == "a value\n"


def test_bytecode_is_written_even_where_this_process_writes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert measure([sys.executable, "-c", "import sys; print(sys.dont_write_bytecode)"]).output == "False\n"


def test_a_failure_is_told_with_the_end_of_the_output() -> None:
    with pytest.raises(CommandError, match=r"exit code 3\nlast words"):
        measure([*PYTHON, "import sys; print('last words'); sys.exit(3)"])


def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(CommandError, match="timed out after 1 s"):
        measure([*PYTHON, "import time; time.sleep(60)"], timeout_seconds=1)
