"""TLS and HTTP/1.1 with deadlines; the app can break a request's connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from azureml_emulator.machine.connection_limits import Activity, ConnectionTable, Limits

if TYPE_CHECKING:
    import ssl

    from uvicorn._types import ASGI3Application

EXTENSION = "azureml_emulator.connection"
SPELLING = "azureml_emulator.header_names"
LINGER_ZERO = struct.pack("ii", 1, 0)


class Connection:
    """The connection of a request, for faults that break it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def reset(self) -> None:
        """End it with a TCP reset."""
        reset(self._transport)

    def drop(self) -> None:
        """Close it; data written before still arrives."""
        self._transport.close()


class _Http(h11.Connection):
    """h11 that keeps the original case of header names; ASGI has lower case."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER)
        self.spelling: dict[str, str] = {}

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = [name.decode("latin-1") for name, _ in event.headers.raw_items()]
            self.spelling = {name.lower(): name for name in names}
        return event


class ConnectionProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with deadlines; see also `connection_of`."""

    def __init__(self, *, limits: Limits, table: ConnectionTable, raw: asyncio.WriteTransport, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self.conn: _Http = _Http()
        self._limits = limits
        self._table = table
        self._raw = raw
        self._awaited = Activity.BUSY
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start with a new connection."""
        super().connection_made(transport)
        app: Any = self.app
        connection = Connection(transport)

        async def app_of_connection(scope: Scope, receive: Receive, send: Send) -> None:
            extensions = {EXTENSION: connection, SPELLING: self.conn.spelling}
            await app({**scope, "extensions": extensions}, receive, send)

        self.app = cast("ASGI3Application", app_of_connection)
        self._await_client()

    def data_received(self, data: bytes) -> None:
        """Handle received data."""
        super().data_received(data)
        self._await_client()

    def on_response_complete(self) -> None:
        """Continue with the next request."""
        super().on_response_complete()
        # uvicorn has its own deadline for the next request.
        if not self.transport.is_closing() and _awaited(self.conn.their_state) is Activity.SILENT:
            self._table.set(self._raw, Activity.SILENT)

    def pause_writing(self) -> None:
        """Wait until the client has read some of the response."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self._limits.idle_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Continue the response."""
        super().resume_writing()
        _cancel(self._stalled)

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up."""
        for timer in (self._deadline, self._stalled):
            _cancel(timer)
        self._table.leave(self._raw)
        super().connection_lost(exc)

    def _await_client(self) -> None:
        """Set the deadline for what the client has to send next, if anything."""
        if self.transport.is_closing():
            return
        before, self._awaited = self._awaited, _awaited(self.conn.their_state)
        if self._awaited is before is Activity.SILENT:
            return  # headers have one deadline, however slowly they come
        self._table.set(self._raw, self._awaited)
        _cancel(self._deadline)
        if self._awaited is Activity.SILENT:
            self._deadline = self.loop.call_later(self._limits.silent_seconds, self.transport.abort)
        elif self._awaited is Activity.SENDING:
            self._deadline = self.loop.call_later(self._limits.idle_seconds, self._end_pause)

    def _end_pause(self) -> None:
        if self.flow.read_paused:  # the server pauses, not the client
            self._await_client()
        else:
            self.transport.abort()


def _awaited(state: object) -> Activity:
    """Return what a client in this HTTP state has to send next."""
    if state is h11.IDLE:
        return Activity.SILENT
    return Activity.SENDING if state is h11.SEND_BODY else Activity.BUSY


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer:
        timer.cancel()


class TlsGate(asyncio.Protocol):
    """Does the TLS handshake of a connection and hands it to `ConnectionProtocol`."""

    def __init__(self, *, limits: Limits, table: ConnectionTable, context: ssl.SSLContext, **uvicorn: Any) -> None:
        self._limits = limits
        self._table = table
        self._context = context
        self._http = partial(ConnectionProtocol, limits=limits, table=table, **uvicorn)
        self._early = bytearray()
        self._handshake: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start TLS, with a deadline for silent clients."""
        transport.pause_reading()  # TLS reads the first bytes
        self._table.enter(transport)
        self._handshake = asyncio.create_task(self._start_tls(transport))

    def data_received(self, data: bytes) -> None:
        """Keep data that follows the handshake at once."""
        self._early += data

    async def _start_tls(self, transport: asyncio.Transport) -> None:
        http = self._http(raw=transport)
        try:
            secure = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._limits.silent_seconds,
                ssl_shutdown_timeout=self._limits.silent_seconds,
            )
        except OSError:  # a client that disconnected or does not speak TLS
            secure = None
        if secure is None or secure.is_closing():
            self._table.leave(transport)
            transport.abort()
            return
        secure.set_protocol(http)
        http.connection_made(secure)
        if self._early:
            http.data_received(bytes(self._early))


class PlainGate(asyncio.Protocol):
    """Hands a connection without TLS to `ConnectionProtocol`."""

    def __init__(self, *, limits: Limits, table: ConnectionTable, **uvicorn: Any) -> None:
        self._table = table
        self._http = partial(ConnectionProtocol, limits=limits, table=table, **uvicorn)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start HTTP at once."""
        self._table.enter(transport)
        http = self._http(raw=transport)
        transport.set_protocol(http)
        http.connection_made(transport)


def connection_of(scope: Scope) -> Connection:
    """Return the connection of a request."""
    return cast(Connection, scope["extensions"][EXTENSION])


def header_names_of(scope: Scope) -> dict[str, str]:
    """Return a request's header names in original case, by lower-case name."""
    return cast("dict[str, str]", scope.get("extensions", {}).get(SPELLING, {}))


def reset(transport: asyncio.BaseTransport) -> None:
    """End a TCP connection, with or without TLS, with a reset, unless it has ended."""
    assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - a connection can be written to
    if transport.is_closing():
        return
    # With SO_LINGER 0 a closed socket sends RST instead of FIN.
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    transport.abort()
