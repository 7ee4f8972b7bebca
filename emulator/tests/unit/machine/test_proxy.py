from __future__ import annotations

import asyncio

import pytest

from azureml_emulator.machine.http_protocol import reset
from azureml_emulator.machine.proxy import route, running_proxy

APP, BLOB = 1, 2


@pytest.mark.parametrize(
    ("target", "port"),
    [
        ("management.azure.com:443", APP),
        ("LOGIN.microsoftonline.com:443", APP),
        ("eastus.api.azureml.ms:443", APP),
        ("digits.eastus.inference.ml.azure.com:443", APP),
        ("account.blob.core.windows.net:443", BLOB),
        ("account.blob.core.windows.net.:443", BLOB),
        ("management.azure.com.:443", APP),
        ("management.azure.com..:443", None),
        ("management.azure.com:80", None),
        ("management.azure.com.example.com:443", None),
        ("example-management.azure.com:443", None),
        ("account.blob.core.windows.net.example.com:443", None),
        ("blob.core.windows.net:443", None),
        ("k8s.eastus.cloudapp.azure.com:443", None),
        ("pypi.org:443", None),
        ("127.0.0.1:443", None),
        ("localhost:443", None),
        ("[::1]:443", None),
        ("", None),
    ],
)
def test_only_emulated_hosts_have_a_route(target: str, port: int | None) -> None:
    assert route(target, app_port=APP, blob_port=BLOB) == port


async def echo_upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write((await reader.read()).upper())
    writer.write_eof()
    await writer.drain()
    writer.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (b"CONNECT management.azure.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", b"200"),
        (b"CONNECT example.com:443 HTTP/1.1\r\n\r\n", b"403"),
        (b"GET http://management.azure.com/ HTTP/1.1\r\n\r\n", b"403"),
        (b"GET / HTTP/1.1\r\n\r\n", b"403"),
    ],
)
async def test_a_tunnel_is_opened_or_refused(head: bytes, answer: bytes) -> None:
    server = await asyncio.start_server(echo_upper, "127.0.0.1", 0)
    async with server, running_proxy(app_port=server.sockets[0].getsockname()[1], blob_port=1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + b"hello")
        writer.write_eof()
        received = await reader.read()
        writer.close()

    assert received.split()[1] == answer
    assert received.endswith(b"HELLO") == (answer == b"200")


@pytest.mark.anyio
async def test_the_log_of_a_refusal_is_one_short_printable_line(caplog: pytest.LogCaptureFixture) -> None:
    async with running_proxy(app_port=1, blob_port=1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"X\x1b]0;title\x07\r\nRefused nothing \x1b[2J\x9b31mhost%s:443 HTTP/1.1\r\n\r\n" % (b"o" * 9999))
        await reader.read()
        writer.close()

    (said,) = caplog.messages
    assert said.isprintable()
    assert said.startswith("Refused ")
    assert len(said) < 500


@pytest.mark.anyio
async def test_closing_the_proxy_closes_its_tunnels_silently() -> None:
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: faults.append(context))
    server = await asyncio.start_server(echo_upper, "127.0.0.1", 0)
    async with server:
        async with running_proxy(app_port=server.sockets[0].getsockname()[1], blob_port=1) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"CONNECT management.azure.com:443 HTTP/1.1\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
    assert faults == []


@pytest.mark.anyio
@pytest.mark.parametrize("who", ["client", "server"])
async def test_a_tcp_reset_is_forwarded(who: str) -> None:
    server_sees: asyncio.Future[BaseException | bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        if who == "server":
            reset(writer.transport)
        server_sees.set_result(await end_of(reader))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, running_proxy(app_port=server.sockets[0].getsockname()[1], blob_port=1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"CONNECT management.azure.com:443 HTTP/1.1\r\n\r\nhello")
        await reader.readuntil(b"\r\n\r\n")
        if who == "client":
            reset(writer.transport)
        client_sees = await end_of(reader)
        seen = client_sees if who == "server" else await server_sees
        writer.close()

    assert isinstance(seen, ConnectionResetError)


async def end_of(reader: asyncio.StreamReader) -> BaseException | bytes:
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except OSError as error:
            return error
