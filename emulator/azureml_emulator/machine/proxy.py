"""The CONNECT proxy: clients ask for Azure's host names and get the emulator; everything else is refused."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from azureml_emulator.machine.connection_limits import Activity, Connections, Limits
from azureml_emulator.machine.connections import reset

LINGER_SECONDS = 2.0
"""How long a client may still take what it was sent when the server has ended the connection."""
BACKLOG = 1024
HEAD_BYTES = 64 * 1024
CHUNK_BYTES = 256 * 1024
EMULATED_HOSTS = re.compile(
    r"management\.azure\.com|login\.microsoftonline\.com|[\w.-]+\.azureml\.ms|[\w.-]+\.inference\.ml\.azure\.com"
    # Kubernetes clusters: what a load balancer with a DNS label is called.
    r"|[\w-]+\.[\w-]+\.cloudapp\.azure\.com"
)
BLOB_HOSTS = re.compile(r"[\w-]+\.blob\.core\.windows\.net")

logger = logging.getLogger(__name__)


def route(target: str, *, app_port: int, blob_port: int) -> int | None:
    """Say which local port plays a host.

    Args:
        target: What a client wants to CONNECT to, `host:port`.
        app_port: Where the emulator's web app listens.
        blob_port: Where blob requests go.

    Returns:
        The port, or None when the host must not be reached.
    """
    host, _, port = target.lower().rpartition(":")
    if port != "443":
        return None
    if BLOB_HOSTS.fullmatch(host):
        return blob_port
    return app_port if EMULATED_HOSTS.fullmatch(host) else None


@asynccontextmanager
async def running_proxy(*, app_port: int, blob_port: int, limits: Limits | None = None) -> AsyncIterator[int]:
    """Run the proxy for the time of the block.

    The servers behind it have the deadlines for what comes in a tunnel.

    Args:
        app_port: Where the emulator's web app listens.
        blob_port: Where blob requests go.
        limits: Deadlines and cap for connections that ask for nothing.

    Yields:
        The proxy's port on 127.0.0.1.
    """
    limits = limits or Limits()
    # More than the servers behind it: those that opened a tunnel and say nothing give way first.
    table = Connections(2 * limits.connections)
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
            pass  # the proxy closes; asyncio's streams would report a cancelled task as a fault
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
    """Read what a client asks for, and refuse it unless a local port plays that host."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, _, rest = head.decode("latin-1").partition(" ")
    target = rest.partition(" ")[0]
    port = route(target, app_port=app_port, blob_port=blob_port) if method == "CONNECT" else None
    if port is not None:
        return port
    host = target.partition("?")[0]
    # In the form of a literal and short: any user of this machine can send what the terminal would obey.
    logger.warning("Refused %.20r %.300r: the emulator lets nobody through to other hosts", method, host)
    message = f"The Azure ML emulator does not play {host} and lets nobody through.\n".encode()
    writer.write(
        b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(message), message)
    )
    await writer.drain()
    return None


async def _tunnel(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, table: Connections, limits: Limits
) -> None:
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    # A tunnel in which nothing was said yet costs no connection behind it.
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
        # A reset of one side is one of the other: neither may take it for an orderly end.
        reset(writer.transport)
        reset(inner_writer.transport)
    finally:
        inner_writer.close()


async def _pump_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: socket.socket) -> None:
    await _pump(reader, writer, source)
    # The server has closed: nobody reads what the client still sends, and it may send nothing for ever.
    asyncio.get_running_loop().call_later(LINGER_SECONDS, writer.close)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: socket.socket) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        _acknowledge(source)
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def _acknowledge(source: socket.socket) -> None:
    """Acknowledge what came at once: towards proxies urllib3 holds a request's body back until its head is."""
    if hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):  # it may have ended
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
