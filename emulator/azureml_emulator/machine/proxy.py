"""The CONNECT proxy: emulated hosts lead to the emulator, all others are refused."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azureml_emulator.host_names import without_root_dot
from azureml_emulator.machine.connection_limits import Activity, ConnectionTable, Limits
from azureml_emulator.machine.http_protocol import reset

LINGER_SECONDS = 2.0
"""Time for a client to read the rest after the server closed the connection."""
BACKLOG = 1024
HEAD_BYTES = 64 * 1024
CHUNK_BYTES = 256 * 1024
EMULATED_HOSTS = re.compile(
    r"management\.azure\.com|login\.microsoftonline\.com|[\w.-]+\.azureml\.ms|[\w.-]+\.inference\.ml\.azure\.com"
    r"|[\w.-]+\.azuredatabricks\.net"
)
BLOB_HOSTS = re.compile(r"[\w-]+\.blob\.core\.windows\.net")

logger = logging.getLogger(__name__)


def route(target: str, *, app_port: int, blob_port: int) -> int | None:
    """Return the local port for a CONNECT to `host:port`; None if it is not emulated."""
    host, _, port = target.lower().rpartition(":")
    if port != "443":
        return None
    host = without_root_dot(host)
    if BLOB_HOSTS.fullmatch(host):
        return blob_port
    return app_port if EMULATED_HOSTS.fullmatch(host) else None


@asynccontextmanager
async def running_proxy(*, app_port: int, blob_port: int, limits: Limits | None = None) -> AsyncIterator[int]:
    """Run the proxy for the time of the block.

    The servers behind it have the deadlines for data in a tunnel.

    Args:
        app_port: Port of the web app.
        blob_port: Port for blob requests.
        limits: Deadlines and maximum number of silent connections.

    Yields:
        The proxy's port on 127.0.0.1.
    """
    limits = limits or Limits()
    # More than the servers behind it: silent tunnels are closed first.
    table = ConnectionTable(2 * limits.connections)
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - we run in one
        connections.add(task)
        table.enter(writer.transport)
        try:
            async with asyncio.timeout(limits.silent_seconds):
                port = await _read_connect(reader, writer, app_port, blob_port)
            if port:
                await _tunnel(reader, writer, port, table, limits)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that went away or does not speak HTTP
        except asyncio.CancelledError:
            pass  # the proxy closes; asyncio's streams would log the cancellation as an error
        finally:
            connections.discard(task)
            table.leave(writer.transport)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=HEAD_BYTES, backlog=BACKLOG)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _read_connect(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, app_port: int, blob_port: int
) -> int | None:
    """Read a CONNECT request; return its local port, or refuse it and return None."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, _, rest = head.decode("latin-1").partition(" ")
    target = rest.partition(" ")[0]
    port = route(target, app_port=app_port, blob_port=blob_port) if method == "CONNECT" else None
    if port is not None:
        return port
    host = target.partition("?")[0]
    # As a short literal: any user of this machine can send terminal escapes.
    logger.warning("Refused %.20r %.300r: not emulated", method, host)
    message = f"{host} is not emulated; connection refused\n".encode()
    writer.write(
        b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(message), message)
    )
    await writer.drain()
    return None


async def _tunnel(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, table: ConnectionTable, limits: Limits
) -> None:
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    # Connect to the server only once the tunnel is used.
    async with asyncio.timeout(limits.silent_seconds):
        first = await reader.read(CHUNK_BYTES)
    if not first:
        return
    table.set(writer.transport, Activity.BUSY)
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        inner_writer.write(first)
        await asyncio.gather(
            _pump(reader, inner_writer, writer.get_extra_info("socket")),
            _pump_answers(inner_reader, writer, inner_writer.get_extra_info("socket")),
        )
    except ConnectionResetError:
        # Pass a reset on, so that neither side sees an orderly end.
        reset(writer.transport)
        reset(inner_writer.transport)
    finally:
        inner_writer.close()


async def _pump_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: socket.socket) -> None:
    await _pump(reader, writer, source)
    # The server has closed: do not wait for the client forever.
    asyncio.get_running_loop().call_later(LINGER_SECONDS, writer.close)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: socket.socket) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        _acknowledge(source)
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def _acknowledge(source: socket.socket) -> None:
    """Send the TCP ACK at once; urllib3 holds bodies back until headers are acked."""
    if hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):  # it may have ended
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
