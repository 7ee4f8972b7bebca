"""Load on an endpoint: clients that send a request as soon as they have a response."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from bench.usage import CommandError

TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class Load:
    """Result of a load.

    Attributes:
        latencies: Seconds of each request, from opening its connection to the end of its response.
        requests_per_second: Rate over all clients.
        answers: Bodies of the responses.
    """

    latencies: tuple[float, ...]
    requests_per_second: float
    answers: tuple[bytes, ...]


def put_load(port: int, body: bytes, *, clients: int, requests: int, content_type: str = "application/json") -> Load:
    """Send requests to an endpoint.

    The stock server closes each connection after its response, so each request opens one.

    Args:
        port: Port on the loopback interface.
        body: Body of every request.
        clients: Number of concurrent clients.
        requests: Total number of requests.
        content_type: Content type of the body.

    Raises:
        CommandError: If a response is not 200.
    """
    head = f"POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}"
    return asyncio.run(_put_load(port, f"{head}\r\nConnection: close\r\n\r\n".encode() + body, clients, requests))


async def _put_load(port: int, request: bytes, clients: int, requests: int) -> Load:
    latencies: list[float] = []
    answers: list[bytes] = []
    waiting = iter(range(requests))

    async def client() -> None:
        for _ in waiting:
            started = time.perf_counter()
            answer = await asyncio.wait_for(_ask(port, request), TIMEOUT_SECONDS)
            latencies.append(time.perf_counter() - started)
            answers.append(answer)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return Load(tuple(latencies), requests / (time.perf_counter() - started), tuple(answers))


async def _ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    status = head.split(b"\r\n", 1)[0]
    if b" 200 " not in status:
        raise CommandError(f"the endpoint responded {status.decode()}: {body[:500].decode(errors='replace')}")
    return body
