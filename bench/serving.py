"""The stock inference server with an entry script, in an environment from a conda file."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from azureml_emulator.scoring.conda_files import CondaSpec, parse_conda_file
from azureml_emulator.scoring.environments import build_environment as build
from bench.usage import CommandError
from kfp_azureml.local.child_group import child_group

READY_SECONDS = 120.0
POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Server:
    """A healthy server.

    Attributes:
        port: Port on the loopback interface.
        seconds_to_healthy: Seconds from the start of its process to the first healthy response.
        pid: Process id of its master process.
    """

    port: int
    seconds_to_healthy: float
    pid: int

    def worker_rss(self) -> int:
        """Return the resident memory of its one worker, in bytes."""
        (worker,) = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        status = Path(f"/proc/{worker}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def build_environment(conda_file: Path) -> Path:
    """Build the environment of a conda file with the emulator's builder and cache."""
    spec = parse_conda_file(conda_file.read_text())
    return asyncio.run(build(CondaSpec(spec.requirements)))


def size_of(folder: Path) -> int:
    """Return a folder's size on disk in bytes; hard links count once."""
    found = {(info.st_dev, info.st_ino): info.st_blocks * 512 for info in map(os.lstat, folder.rglob("*"))}
    return sum(found.values())


@contextmanager
def running_server(environment: Path, entry_script: Path, model: Path, log: Path) -> Iterator[Server]:
    """Run a server with one worker, healthy within the block.

    Args:
        environment: Result of `build_environment`.
        entry_script: The entry script.
        model: Folder for AZUREML_MODEL_DIR.
        log: File for its output.

    Raises:
        CommandError: If it does not become healthy.
    """
    python = environment / "bin" / "python"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    # The command azmlinfsrv, except for the address: it would listen on 0.0.0.0.
    command = [str(python), "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--timeout", "300"]
    command += ["--access-logfile", "-", "--error-logfile", "-", "azureml_inference_server_http.server.entry:app"]
    variables = {
        "PATH": f"{python.parent}{os.pathsep}{os.defpath}",
        "HOME": str(log.parent),
        "AML_APP_ROOT": str(entry_script.parent),
        "AZUREML_ENTRY_SCRIPT": str(entry_script),
        "AZUREML_MODEL_DIR": str(model),
        "AML_APP_INSIGHTS_ENABLED": "false",
    }
    with log.open("wb") as stream:
        started = time.monotonic()
        with child_group(command, variables, stdout=stream, stderr=subprocess.STDOUT) as child:
            while not _is_healthy(port):
                if child.poll() is not None or time.monotonic() - started > READY_SECONDS:
                    raise CommandError(f"{entry_script}: the server did not become healthy:\n{log.read_text()[-2000:]}")
                time.sleep(POLL_SECONDS)
            yield Server(port, time.monotonic() - started, child.pid)


def _is_healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=READY_SECONDS)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
