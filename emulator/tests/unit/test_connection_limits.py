"""Deadlines for what a client owes, and who gives way when there are too many connections."""

from __future__ import annotations

import asyncio
import resource
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from azureml_emulator.errors import EmulatorError
from azureml_emulator.machine.certificates import Certificates, make_certificates
from azureml_emulator.machine.connection_limits import Limits, affordable_connections
from azureml_emulator.machine.proxy import running_proxy
from azureml_emulator.startup import _web_server

pytestmark = pytest.mark.anyio

HOST = "management.azure.com"
SOON = Limits(silent_seconds=0.3, idle_seconds=0.3)
LATE = 600.0


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path, "eastus")


class App:
    """Reads a request's body, then answers when it is told to.

    Attributes:
        go_on: Set it to let it answer.
        asked: How many requests came.
        gone: How many clients went away before their answer.
    """

    def __init__(self, answer: bytes = b"done") -> None:
        self.go_on = asyncio.Event()
        self.asked = asyncio.Semaphore(0)
        self.gone = asyncio.Semaphore(0)
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.release()
        try:
            await Request(scope, receive).body()
        except ClientDisconnect:
            self.gone.release()
            return
        await self.go_on.wait()
        headers = [(b"connection", b"close"), (b"content-length", str(len(self.answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.answer})


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    async def hear_all(self) -> bytes:
        """Everything until the end, however it ends."""
        heard = b""
        try:
            async with asyncio.timeout(60):
                while chunk := await self.reader.read(65536):
                    heard += chunk
        except ConnectionError:
            pass
        return heard


@asynccontextmanager
async def clients(port: int, certificates: Certificates | None = None) -> AsyncIterator[Client]:
    context = ssl.create_default_context(cafile=certificates.authority) if certificates else None
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=HOST if context else None
    )
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


HEAD = b"POST / HTTP/1.1\r\nHost: management.azure.com\r\nContent-Length: 5\r\n\r\n"


@pytest.mark.parametrize("said", [b"", b"POST / HTT", HEAD, HEAD + b"hel"])
async def test_who_owes_something_is_ended(certificates: Certificates, said: bytes) -> None:
    async with _web_server(App(), certificates, SOON) as port, clients(port, certificates) as client:
        await client.say(said)
        assert await client.hear_all() == b""


async def test_who_says_no_hello_is_ended(certificates: Certificates) -> None:
    async with _web_server(App(), certificates, SOON) as port, clients(port) as client:
        assert await client.hear_all() == b""


async def test_a_head_that_drips_has_one_deadline(certificates: Certificates) -> None:
    async with _web_server(App(), certificates, SOON) as port, clients(port, certificates) as client:

        async def drip() -> None:
            await client.say(b"GET / HTTP/1.1\r\nX-Long: ")
            while True:
                await client.say(b"x")
                await asyncio.sleep(0.01)

        dripping = asyncio.create_task(drip())
        assert await client.hear_all() == b""
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


async def test_who_waits_for_an_answer_may_wait(certificates: Certificates) -> None:
    app = App()
    async with _web_server(app, certificates, SOON) as port, clients(port, certificates) as client:
        await client.say(HEAD + b"hello")
        await asyncio.sleep(4 * SOON.silent_seconds)
        app.go_on.set()
        assert (await client.hear_all()).endswith(b"done")


async def test_a_body_in_pieces_may_take_longer_than_any_pause_in_it(certificates: Certificates) -> None:
    app = App()
    app.go_on.set()
    limits = Limits(silent_seconds=LATE, idle_seconds=2)
    async with _web_server(app, certificates, limits) as port, clients(port, certificates) as client:
        await client.say(HEAD)
        for letter in b"hello":
            await asyncio.sleep(0.5)
            await client.say(bytes([letter]))
        assert (await client.hear_all()).endswith(b"done")


async def test_who_takes_no_part_of_an_answer_is_ended(certificates: Certificates) -> None:
    app = App(answer=b"x" * (1 << 26))
    app.go_on.set()
    async with _web_server(app, certificates, SOON) as port, clients(port, certificates) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.say(HEAD + b"hello")
        await asyncio.sleep(4 * SOON.idle_seconds)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await client.hear_all()) < 1 << 26


async def test_at_the_cap_the_oldest_silent_one_gives_way(certificates: Certificates) -> None:
    app = App()
    limits = Limits(silent_seconds=LATE, idle_seconds=LATE, connections=3)
    async with (
        _web_server(app, certificates, limits) as port,
        clients(port, certificates) as busy,
        clients(port) as oldest,
        clients(port, certificates) as old,
    ):
        await busy.say(HEAD + b"hello")
        await app.asked.acquire()
        async with clients(port, certificates) as new:
            assert await oldest.hear_all() == b""
            await new.say(HEAD + b"hello")
            await app.asked.acquire()
            async with clients(port, certificates):
                assert await old.hear_all() == b""
            app.go_on.set()
            assert (await busy.hear_all()).endswith(b"done")
            assert (await new.hear_all()).endswith(b"done")


async def test_silent_tunnels_cost_no_connection_behind_the_proxy_and_give_way() -> None:
    behind: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: behind.append(writer), "127.0.0.1", 0)
    limits = Limits(silent_seconds=LATE, connections=1)
    app_port = server.sockets[0].getsockname()[1]
    async with (
        server,
        running_proxy(app_port=app_port, blob_port=app_port, limits=limits) as port,
        clients(port) as first,
        clients(port) as second,
    ):
        for each in (first, second):
            await each.say(f"CONNECT {HOST}:443 HTTP/1.1\r\n\r\n".encode())
            await each.reader.readuntil(b"\r\n\r\n")
        async with clients(port):
            assert await first.hear_all() == b""
    assert behind == []


async def test_a_tunnel_that_its_server_has_ended_is_ended() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    app_port = server.sockets[0].getsockname()[1]
    async with server, running_proxy(app_port=app_port, blob_port=app_port) as port, clients(port) as client:
        await client.say(f"CONNECT {HOST}:443 HTTP/1.1\r\n\r\nhello".encode())
        await client.hear_all()
        async with asyncio.timeout(60):
            with pytest.raises(ConnectionError):
                while True:  # it says no more and keeps its end open: writing shows that nobody is there
                    await client.say(b"x")
                    await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [(256, 1024, 1024), (1024, 1024, 1024), (4096, 20000, 6100), (20000, 20000, 20000), (-1, -1, -1), (1024, -1, 6100)],
)
def test_connections_fit_the_limit_on_open_files(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int
) -> None:
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.append(wanted))

    assert 100 <= affordable_connections() <= 1000
    assert limits[-1] == (raised, hard)


def test_too_few_open_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (32, 32))
    monkeypatch.delattr(resource, "setrlimit")

    with pytest.raises(EmulatorError, match="the limit on open files is 32; raise it to 250 or more with ulimit -n"):
        affordable_connections()
