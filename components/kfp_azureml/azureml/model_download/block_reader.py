"""Read the missing blocks of files in parallel, and yield them in order.

In order, so that the length of a partial file tells how much of it is there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kfp_azureml.azureml.model_download.model_blobs import BlobFile

BLOCK_BYTES = 4 * 1024 * 1024
BLOCKS_AT_ONCE = 8  # limits the memory, whatever the size of the model


@dataclass(frozen=True)
class Block:
    """A block of a file.

    Attributes:
        file: The file.
        start: Offset in bytes.
        length: Length in bytes.
    """

    file: BlobFile
    start: int
    length: int


def missing_blocks(files: Iterable[BlobFile], size_of: Callable[[str], int]) -> Iterator[Block]:
    """Yield the blocks that are missing, file by file.

    Args:
        files: The files.
        size_of: Returns how many bytes of a file are there, by its name.
    """
    for file in files:
        for start in range(size_of(file.name), file.size, BLOCK_BYTES):
            yield Block(file, start, min(BLOCK_BYTES, file.size - start))


def read_in_order(
    blocks: Iterable[Block], read: Callable[[BlobFile, int, int], bytes], seconds_left: Callable[[], float]
) -> Iterator[tuple[Block, bytes]]:
    """Read blocks in parallel and yield them in their order, with their content.

    Args:
        blocks: The blocks.
        read: Reads one.
        seconds_left: Time until the deadline.

    Raises:
        TimeoutError: If the deadline passes.
        Exception: What `read` raises.
    """
    pool = ThreadPoolExecutor(BLOCKS_AT_ONCE)
    reading: deque[tuple[Block, Future[bytes]]] = deque()
    try:
        for block in blocks:
            reading.append((block, pool.submit(read, block.file, block.start, block.length)))
            if len(reading) == BLOCKS_AT_ONCE:
                yield _next(reading, seconds_left())
        while reading:
            yield _next(reading, seconds_left())
    finally:
        # After a failure or signal, do not wait for queued blocks.
        pool.shutdown(wait=False, cancel_futures=True)


def _next(reading: deque[tuple[Block, Future[bytes]]], seconds: float) -> tuple[Block, bytes]:
    block, future = reading.popleft()
    return block, future.result(seconds)
