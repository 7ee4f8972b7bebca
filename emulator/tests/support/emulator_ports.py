"""The ports at which an emulator's own process listens."""

from __future__ import annotations

import functools
import socket
import ssl

import psutil

from azureml_emulator import EmulatorInfo


def proxy_port(emulator: EmulatorInfo) -> int:
    return int(emulator.proxy_url.rpartition(":")[2])


@functools.cache
def listening_ports(pid: int) -> frozenset[int]:
    connections = psutil.Process(pid).net_connections(kind="inet")
    return frozenset(each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN)


def web_app_port(emulator: EmulatorInfo) -> int:
    """Return the port that speaks TLS; the emulated clusters' does not."""
    (port,) = (port for port in listening_ports(emulator.pid) - {proxy_port(emulator)} if _speaks_tls(port))
    return port


@functools.cache
def _speaks_tls(port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            context.wrap_socket(connection).close()
    except ssl.SSLError:
        return False
    return True
