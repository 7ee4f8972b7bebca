"""Limits on connections: deadlines for clients that say nothing, and a cap."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass
from enum import Enum

from azureml_emulator.errors import EmulatorError

MOST_CONNECTIONS = 1000
OWN_FILES = 100
"""Open files for all but connections: the database, logs, children."""
FILES_PER_CONNECTION = 6
"""A tunnel's two ends, the app's end, one to Azurite or an inference server, and two for those that still close."""
LEAST_CONNECTIONS = 25


@dataclass(frozen=True)
class Limits:
    """Limits on clients that keep a server waiting.

    Attributes:
        silent_seconds: Deadline for each of: a CONNECT, the first byte in a tunnel, a TLS handshake, a request's head.
        idle_seconds: How long a client may pause between requests or within a body, or take no part of an answer.
        connections: How many connections a server has at most. The proxy has twice as many.
    """

    silent_seconds: float = 20.0
    idle_seconds: float = 120.0
    connections: int = MOST_CONNECTIONS


def affordable_connections() -> int:
    """Raise the limit on open files as far as allowed, and return how many connections it leaves room for.

    Raises:
        EmulatorError: If these are too few to work with.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OWN_FILES + FILES_PER_CONNECTION * MOST_CONNECTIONS
    files = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if resource.RLIM_INFINITY != soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    connections = (files - OWN_FILES) // FILES_PER_CONNECTION
    if connections < LEAST_CONNECTIONS:
        least = OWN_FILES + FILES_PER_CONNECTION * LEAST_CONNECTIONS
        raise EmulatorError(f"the limit on open files is {files}; raise it to {least} or more with ulimit -n")
    return connections


class Activity(Enum):
    """What a connection is doing, those that give way first at the top."""

    SILENT = "nobody asked for anything"
    SENDING = "a request is under way"
    BUSY = "a request is being answered"


class Connections:
    """The connections of one server; when there are too many, the one that was silent longest gives way."""

    def __init__(self, most: int) -> None:
        self._most = most
        # Dicts, as sets that keep an order.
        self._transports: dict[Activity, dict[asyncio.WriteTransport, None]] = {kind: {} for kind in Activity}

    def __len__(self) -> int:
        """Return how many there are."""
        return sum(map(len, self._transports.values()))

    def enter(self, transport: asyncio.WriteTransport) -> None:
        """Add a new connection; if there are too many, end one: of those that are all busy, the new one.

        Args:
            transport: The connection.
        """
        self.set(transport, Activity.SILENT)
        if len(self) > self._most:
            yielding = next(iter(self._transports[Activity.SILENT]))
            if yielding is transport:
                yielding = next(iter(self._transports[Activity.SENDING]), transport)
            self.leave(yielding)
            yielding.abort()

    def set(self, transport: asyncio.WriteTransport, activity: Activity) -> None:
        """Say what a connection does from now on.

        Args:
            transport: The connection.
            activity: What it does.
        """
        self.leave(transport)
        self._transports[activity][transport] = None

    def leave(self, transport: asyncio.WriteTransport) -> None:
        """Forget a connection that has ended.

        Args:
            transport: The connection.
        """
        for transports in self._transports.values():
            transports.pop(transport, None)
