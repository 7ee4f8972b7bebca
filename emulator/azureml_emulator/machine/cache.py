"""The cache folder that all emulators of this user share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from azureml_emulator.errors import report_os_errors
from azureml_emulator.machine.folder_permissions import refuse_writable_by_others
from azureml_emulator.machine.locks import locked


def cache_root() -> Path:
    """Return the cache folder.

    Returns:
        `$AZUREML_EMULATOR_CACHE`, else `azureml-emulator` in `$XDG_CACHE_HOME`, else in `~/.cache`.
    """
    if own := os.environ.get("AZUREML_EMULATOR_CACHE"):
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "azureml-emulator"


async def cached_folder(folder: Path, make: Callable[[Path], Awaitable[None]]) -> Path:
    """Return a folder of the cache; build it first if it is missing.

    If several emulators need the same folder, one builds it and the others wait. It appears whole or not at all.

    Args:
        folder: The folder's path inside the cache.
        make: Fills the empty folder it is given.

    Raises:
        EmulatorError: If another user could have changed it: programs in it are run.
    """
    if folder.exists():
        refuse_writable_by_others(folder.parent)
        refuse_writable_by_others(folder)
        return folder
    with report_os_errors(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
    refuse_writable_by_others(folder.parent)
    async with locked(folder.with_name(f"{folder.name}.lock")):
        if folder.exists():
            return folder
        part = folder.with_name(f"{folder.name}.part")
        # Left by an emulator that was killed holding the lock.
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            await make(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder
