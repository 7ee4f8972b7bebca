"""File locks; they end with the processes that hold them."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

POLL_SECONDS = 0.1


@asynccontextmanager
async def locked(path: Path, seconds: float | None = None) -> AsyncIterator[IO[str]]:
    """Hold a lock for the time of the block.

    Args:
        path: The lock file; created if needed, never removed.
        seconds: Timeout; None waits forever.

    Yields:
        The open file. A process that inherits it also holds the lock.

    Raises:
        TimeoutError: If another process still holds the lock.
    """
    with path.open("w") as file:
        async with asyncio.timeout(seconds):
            while not _try_lock(file, fcntl.LOCK_EX):
                await asyncio.sleep(POLL_SECONDS)
        yield file


def is_locked(path: Path) -> bool:
    """Return whether any process holds a lock."""
    if not path.exists():
        return False
    with path.open() as file:
        return not _try_lock(file, fcntl.LOCK_SH)


def _try_lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
