"""The load on an endpoint, on a small server."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.load import put_load
from bench.usage import CommandError


@pytest.fixture
def echo() -> Iterator[ThreadingHTTPServer]:
    """Yield a server that echoes the body, with status 500 for an empty one."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200 if body else 500)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("clients", [1, 3])
def test_every_request_is_made_and_answered_once(echo: ThreadingHTTPServer, clients: int) -> None:
    load = put_load(echo.server_port, b'"hello"', clients=clients, requests=10)
    assert load.answers == (b'"hello"',) * 10
    assert len(load.latencies) == 10
    assert min(load.latencies) > 0
    assert load.requests_per_second > 0


def test_an_answer_that_is_not_200_ends_it(echo: ThreadingHTTPServer) -> None:
    with pytest.raises(CommandError, match=r"the endpoint responded HTTP/1\.0 500"):
        put_load(echo.server_port, b"", clients=2, requests=4)
