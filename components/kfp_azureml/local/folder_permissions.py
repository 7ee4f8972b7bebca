"""Check that other users cannot change the files of a run."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kfp_azureml.runtime.errors import OutputError


def check_permissions(folder: Path) -> None:
    """Check that other users cannot write to a folder, by the rule of the emulator's own folders.

    Raises:
        OutputError: If everyone can write to it, or another user but root owns it.
    """
    status = folder.stat()
    if status.st_mode & stat.S_IWOTH:
        raise OutputError(f"{folder}: every user can write to it: run chmod o-w on it, or set another folder (--runs)")
    if os.getuid() not in (0, status.st_uid) and status.st_uid != 0:
        raise OutputError(f"{folder}: belongs to another user: set another folder (--runs)")
