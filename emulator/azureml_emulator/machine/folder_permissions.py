"""Check that other users cannot change what the emulator reads and runs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from azureml_emulator.errors import EmulatorError


def refuse_writable_by_others(folder: Path) -> None:
    """Refuse a folder that other users can write to.

    Raises:
        EmulatorError: If everyone can write to it, or another user owns it. The superuser can use any user's.
    """
    status = folder.stat()
    if status.st_mode & stat.S_IWOTH:
        raise EmulatorError(f"{folder}: every user can write to it; run chmod o-w on it or choose another folder")
    if os.getuid() not in (0, status.st_uid) and status.st_uid != 0:
        raise EmulatorError(f"{folder}: belongs to another user; choose another folder")
