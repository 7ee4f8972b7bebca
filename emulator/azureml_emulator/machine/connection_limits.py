"""Limits on connections: deadlines for silent clients and a maximum number."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass
from enum import Enum

from azureml_emulator.errors import EmulatorError

MAX_CONNECTIONS = 1000
RESERVED_FILES = 100
"""Open files besides connections: the database, logs, child processes."""
FILES_PER_CONNECTION = 6
"""Both ends of a tunnel, the app's end, Azurite or an inference server, and two in closing."""
MIN_CONNECTIONS = 25


@dataclass(frozen=True)
class Limits:
    """Limits on clients that keep a server waiting.

    Attributes:
        silent_seconds: Deadline for each of: a CONNECT, the first byte in a tunnel, a TLS handshake, a request's
            headers.
        idle_seconds: Longest pause between requests, within a request's body, or in taking a response.
        connections: Maximum number of connections of a server. The proxy has twice as many.
    """

    silent_seconds: float = 20.0
    idle_seconds: float = 120.0
    connections: int = MAX_CONNECTIONS


def raise_file_limit() -> int:
    """Raise the limit on open files and return how many connections it allows.

    Raises:
        EmulatorError: If the limit is too low.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = RESERVED_FILES + FILES_PER_CONNECTION * MAX_CONNECTIONS
    files = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if resource.RLIM_INFINITY != soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    connections = (files - RESERVED_FILES) // FILES_PER_CONNECTION
    if connections < MIN_CONNECTIONS:
        least = RESERVED_FILES + FILES_PER_CONNECTION * MIN_CONNECTIONS
        raise EmulatorError(f"limit on open files too low ({files}); raise it to at least {least} with ulimit -n")
    return connections


class Activity(Enum):
    """What a connection is doing; the first are closed first when there are too many."""

    SILENT = "no request yet"
    SENDING = "a request is being sent"
    BUSY = "a request is being handled"


class ConnectionTable:
    """The connections of one server; above the limit the longest silent one is closed."""

    def __init__(self, most: int) -> None:
        self._most = most
        # Dicts as ordered sets.
        self._transports: dict[Activity, dict[asyncio.WriteTransport, None]] = {kind: {} for kind in Activity}

    def __len__(self) -> int:
        """Return the number of connections."""
        return sum(map(len, self._transports.values()))

    def enter(self, transport: asyncio.WriteTransport) -> None:
        """Add a connection; above the limit close one: the new one if all are busy."""
        self.set(transport, Activity.SILENT)
        if len(self) > self._most:
            yielding = next(iter(self._transports[Activity.SILENT]))
            if yielding is transport:
                yielding = next(iter(self._transports[Activity.SENDING]), transport)
            self.leave(yielding)
            yielding.abort()

    def set(self, transport: asyncio.WriteTransport, activity: Activity) -> None:
        """Set what a connection is doing."""
        self.leave(transport)
        self._transports[activity][transport] = None

    def leave(self, transport: asyncio.WriteTransport) -> None:
        """Remove a connection that has ended."""
        for transports in self._transports.values():
            transports.pop(transport, None)
