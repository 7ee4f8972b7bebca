"""Logs that can be read while they grow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from azureml_emulator.storage.blobs import Blobs

SHIP_SECONDS = 0.5
STD_LOG = "user_logs/std_log.txt"
WORKER_LOG = "user_logs/std_log_process_{}.txt"
"""Log of one of several processes, by its index."""
PIPELINE_LOG = "logs/azureml/executionlogs.txt"
IMAGE_LOG = "azureml-logs/20_image_build_log.txt"
LOG_FOLDERS = ("user_logs/", "logs/azureml/", "azureml-logs/")


@asynccontextmanager
async def uploading_log(blobs: Blobs, log: Path, uri: str) -> AsyncIterator[None]:
    """Copy a growing file into the blob store during the block.

    Args:
        blobs: The blob store.
        log: The file; it need not exist yet.
        uri: Location of the copy.
    """
    position = blocks = 0
    ended = asyncio.Event()

    async def ship() -> None:
        nonlocal position, blocks
        if not log.exists():
            return
        with log.open("rb") as file:
            file.seek(position)
            content = file.read()
        if content:
            position += len(content)
            blocks += 1
            await blobs.append(uri, content)

    async def ship_until_the_end() -> None:
        while not ended.is_set():
            await ship()
            # A blob has at most 50,000 blocks: write long logs less often.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), SHIP_SECONDS + blocks / 2000)
        await ship()

    task = asyncio.create_task(ship_until_the_end())
    try:
        yield
    finally:
        ended.set()
        await task
