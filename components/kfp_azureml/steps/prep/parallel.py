"""Call a function on many items with several threads, in order and in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from kfp_azureml.runtime.cpus import usable_cpus

Item = TypeVar("Item")
Result = TypeVar("Result")

PIECES_AHEAD = 2
"""Pieces per thread that are under way or wait to be taken."""


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], piece: int
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with the function's result, in order.

    Threads are enough: other processes decode, and Pillow resizes without Python's lock.

    Args:
        function: The function; its first exception ends the iteration.
        items: The items.
        piece: Number of items that a thread takes at a time; results wait in memory in such pieces.
    """
    remaining = iter(items)
    threads = usable_cpus()

    def call(taken: list[Item]) -> list[tuple[Item, Result]]:
        return [(item, function(item)) for item in taken]

    pending: deque[Future[list[tuple[Item, Result]]]] = deque()
    with ThreadPoolExecutor(threads, "images") as pool:
        try:
            while True:
                while len(pending) < threads * PIECES_AHEAD and (taken := list(islice(remaining, piece))):
                    pending.append(pool.submit(call, taken))
                if not pending:
                    return
                yield from pending.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
