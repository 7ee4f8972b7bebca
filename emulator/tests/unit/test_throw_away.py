"""What killed emulators left goes at the next start, and nothing else."""

from __future__ import annotations

import fcntl
import tempfile
from pathlib import Path

import pytest

from azureml_emulator.info import LOCK_NAME
from azureml_emulator.machine.temporary_state import MARK, throw_away_folder


def folder(place: Path, name: str, *files: str) -> Path:
    made = place / f"azureml-emulator-{name}"
    made.mkdir()
    for file in files:
        (made / file).touch()
    return made


def test_only_what_nobody_holds_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = folder(tmp_path, "killed", MARK, LOCK_NAME, "state.sqlite")
    kept = folder(tmp_path, "of-a-user", LOCK_NAME, "state.sqlite")  # by --state-dir
    starting = [folder(tmp_path, "new", MARK), folder(tmp_path, "newer", MARK, LOCK_NAME)]
    running = folder(tmp_path, "running", MARK, LOCK_NAME, "state.sqlite")
    elsewhere = folder(tmp_path, "x", MARK, LOCK_NAME, "state.sqlite").rename(tmp_path / "elsewhere")
    (tmp_path / "azureml-emulator-link").symlink_to(elsewhere)

    with (running / LOCK_NAME).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with throw_away_folder() as mine, throw_away_folder():
            assert mine.is_dir()

    assert not mine.exists()
    assert not left.exists()
    assert all(each.is_dir() for each in (kept, *starting, running, elsewhere))
    assert (elsewhere / "state.sqlite").is_file()
