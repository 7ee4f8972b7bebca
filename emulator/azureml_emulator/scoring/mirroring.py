"""Mirrored traffic: copies of requests whose responses are dropped."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine, Mapping
from typing import Any

logger = logging.getLogger(__name__)


class Mirror:
    """Sends copies in the background."""

    def __init__(self) -> None:
        self._copies: set[asyncio.Task[Any]] = set()

    def send(self, copy: Coroutine[Any, Any, object]) -> None:
        """Send a copy and drop its result."""
        task = asyncio.create_task(copy)
        self._copies.add(task)
        task.add_done_callback(self._done)

    async def close(self) -> None:
        """Cancel the copies in progress."""
        for task in self._copies:
            task.cancel()
        await asyncio.gather(*self._copies, return_exceptions=True)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._copies.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("a mirrored request failed", exc_info=error)


def choose_mirror(mirror_traffic: Mapping[str, int]) -> str | None:
    """Choose at random which deployment gets a copy of a request, or None.

    Args:
        mirror_traffic: Percent by deployment; at most one has any.
    """
    for name, percent in mirror_traffic.items():
        if random.random() * 100 < percent:  # noqa: S311 - a load balancer's dice
            return name
    return None
