"""The connection a request came by: ASGI hides it, and some faults have to break it."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, cast

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

EXTENSION = "azureml_emulator.connection"
LINGER_ZERO = struct.pack("ii", 1, 0)


class Connection:
    """The connection of a request, to be broken."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def reset(self) -> None:
        """End it with a TCP reset."""
        reset(self._transport)

    def drop(self) -> None:
        """End it without a word; what was written before still arrives."""
        self._transport.close()


class ConnectionProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, telling the app which connection a request came by; see `connection_of`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection."""
        super().connection_made(transport)
        app: Any = self.app
        extensions = {EXTENSION: Connection(transport)}

        async def app_of_connection(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "extensions": extensions}, receive, send)

        self.app = cast("ASGI3Application", app_of_connection)


def connection_of(scope: Scope) -> Connection:
    """Find the connection a request came by.

    Args:
        scope: The request's ASGI scope.

    Returns:
        Its connection.
    """
    return cast(Connection, scope["extensions"][EXTENSION])


def reset(transport: asyncio.BaseTransport) -> None:
    """End a TCP connection with a reset, not in order; nothing happens if it has ended.

    Args:
        transport: The connection, with or without TLS.
    """
    assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - a connection can be written to
    if transport.is_closing():
        return
    # A socket that is closed while it may not linger sends RST in place of FIN.
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    transport.abort()
