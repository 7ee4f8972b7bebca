"""The cache folder: what is expensive to make and the same for every emulator on this machine."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

LOCK_POLL_SECONDS = 0.1


def cache_root() -> Path:
    """Find the cache folder.

    Returns:
        `$AZUREML_EMULATOR_CACHE`, else `azureml-emulator` in `$XDG_CACHE_HOME`, else in `~/.cache`.
    """
    if own := os.environ.get("AZUREML_EMULATOR_CACHE"):
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "azureml-emulator"


async def cached_folder(folder: Path, make: Callable[[Path], Awaitable[None]]) -> Path:
    """Return a folder of the cache, made first if it is not there.

    Several emulators may ask for the same folder: one makes it, the others wait. It appears whole or not at all.

    Args:
        folder: The folder's path inside the cache.
        make: Fills the empty folder it is given.

    Returns:
        `folder`.
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    async with _locked(folder.with_name(f"{folder.name}.lock")):
        if folder.exists():
            return folder
        part = folder.with_name(f"{folder.name}.part")
        # Left by an emulator that was killed while it held the lock.
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            await make(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(LOCK_POLL_SECONDS)
        yield
