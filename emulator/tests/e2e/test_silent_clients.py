"""Silent clients time out and block no others."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path

import httpx
import pytest

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_rest import Workspace, signed_in_workspace
from emulator_ports import proxy_port, web_app_port

SILENT = 500
CLIENTS = 100
HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01\x00"
HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: management.azure.com\r\nX-Slow: "
CONNECT = b"CONNECT %s:443 HTTP/1.1\r\n\r\n"
MANAGEMENT, BLOBS = b"management.azure.com", b"azuremlemulator.blob.core.windows.net"


@pytest.fixture(scope="module")
def impatient() -> Iterator[EmulatorInfo]:
    with running_emulator(arguments=["--client-seconds", "5"]) as emulator:
        yield emulator


def connect(port: int, *said: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    for each in said:
        connection.sendall(each)
    return connection


def azurite_port(emulator: EmulatorInfo) -> int:
    log = (Path(emulator.state_dir) / "azurite.log").read_text()
    return int(re.findall(r"successfully listens on https://127\.0\.0\.1:(\d+)", log)[0])


def in_tunnel(emulator: EmulatorInfo, host: bytes, *said: bytes) -> socket.socket:
    connection = connect(proxy_port(emulator), CONNECT % host)
    assert b" 200 " in connection.recv(1000)
    for each in said:
        connection.sendall(each)
    return connection


def with_tls(emulator: EmulatorInfo, *said: bytes) -> socket.socket:
    context = ssl.create_default_context(cafile=emulator.ca_file)
    secure = context.wrap_socket(in_tunnel(emulator, MANAGEMENT), server_hostname=MANAGEMENT.decode())
    for each in said:
        secure.sendall(each)
    return secure


WAYS: dict[str, list[Callable[[EmulatorInfo], socket.socket]]] = {
    "proxy": [
        lambda emulator: connect(proxy_port(emulator)),
        lambda emulator: connect(proxy_port(emulator), b"CONNECT manage"),
        lambda emulator: in_tunnel(emulator, MANAGEMENT),
        lambda emulator: in_tunnel(emulator, BLOBS),
        lambda emulator: in_tunnel(emulator, MANAGEMENT, HALF_A_HELLO),
    ],
    "with TLS": [with_tls, lambda emulator: with_tls(emulator, HALF_A_HEAD)],
    "web app": [
        lambda emulator: connect(web_app_port(emulator)),
        lambda emulator: connect(web_app_port(emulator), HALF_A_HELLO),
    ],
    "Azurite": [
        lambda emulator: connect(azurite_port(emulator)),
        lambda emulator: connect(azurite_port(emulator), HALF_A_HELLO),
    ],
}


def ends(connection: socket.socket) -> bool:
    """Read until the other side has ended the connection."""
    try:
        while connection.recv(1000):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


def status_of_a_new_client(emulator: EmulatorInfo) -> int:
    trust = ssl.create_default_context(cafile=emulator.ca_file)
    with httpx.Client(proxy=emulator.proxy_url, verify=trust, trust_env=False, timeout=60) as http:
        return http.get("https://management.azure.com/subscriptions").status_code


def read_and_write(workspace: Workspace) -> None:
    workspace.get("datastores/workspaceblobstore")
    blob = f"https://{BLOBS.decode()}/azureml-blobstore/kept?{workspace.sign_blobs()}"
    headers = {"x-ms-blob-type": "BlockBlob", "authorization": ""}
    workspace.http.put(blob, content=b"hello", headers=headers, timeout=60).raise_for_status()


@pytest.mark.parametrize("way", WAYS)
def test_silent_clients_time_out_and_block_no_others(impatient: EmulatorInfo, way: str) -> None:
    # A handshake costs both sides: of those that do one there are fewer.
    count = SILENT // 10 if way == "with TLS" else SILENT
    with ExitStack() as stack, signed_in_workspace(impatient) as workspace:
        silent = [stack.enter_context(choose(impatient)) for choose in islice(cycle(WAYS[way]), count)]

        read_and_write(workspace)
        assert status_of_a_new_client(impatient) == 401

        assert [number for number, connection in enumerate(silent) if not ends(connection)] == []


def test_active_clients_are_served_beside_many_silent_ones(impatient: EmulatorInfo) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(CLIENTS) as pool:
        for _ in range(SILENT):
            stack.enter_context(in_tunnel(impatient, MANAGEMENT, HALF_A_HELLO))

        statuses = list(pool.map(lambda _: status_of_a_new_client(impatient), range(CLIENTS)))

    assert statuses == [401] * CLIENTS
