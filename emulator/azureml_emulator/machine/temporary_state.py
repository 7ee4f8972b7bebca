"""Temporary state folders: removed with their emulator, or at the next start."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azureml_emulator.info import LOCK_NAME
from azureml_emulator.machine import crash_cleanup

PREFIX = "azureml-emulator-"
MARK = crash_cleanup.TEMPORARY_MARK


@contextmanager
def temporary_state_folder() -> Iterator[Path]:
    """Yield a new folder for the block; first remove those that killed emulators left."""
    _remove_leftovers()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        (Path(folder) / MARK).touch()
        yield Path(folder)


def _remove_leftovers() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # Skip links and other users' folders.
        with contextlib.suppress(FileNotFoundError):  # removed at this moment
            if folder.lstat().st_uid == os.getuid() and not folder.is_symlink() and (folder / MARK).is_file():
                _remove_unless_locked(folder)


def _remove_unless_locked(folder: Path) -> None:
    try:
        file = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return  # just being created
    with os.fdopen(file) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        # An emulator between creating and taking its lock has created nothing else.
        if {entry.name for entry in folder.iterdir()} - {MARK, LOCK_NAME}:
            shutil.rmtree(folder, ignore_errors=True)
