"""Inference servers: one `azureml-inference-server-http` per deployment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.machine.processes import ChildProcess

HEALTH_POLL_SECONDS = 0.1
DRAIN_SECONDS = 30.0
"""Time for a server to finish its requests before it is ended."""
LOG_TAIL_LINES = 30
SOCKET_FOLDER_LENGTH = 80
"""Socket paths are limited to about 100 bytes."""


@dataclass(frozen=True)
class ScoringApp:
    """What an inference server serves.

    Attributes:
        environment: Virtual environment with the server and what the entry script imports.
        code: Folder of the entry script.
        entry_script: The script's path in that folder.
        model: AZUREML_MODEL_DIR.
        variables: The deployment's own environment variables.
    """

    environment: Path
    code: Path
    entry_script: str
    model: Path
    variables: Mapping[str, str]


class Server(Protocol):
    """Whatever answers for a deployment.

    Attributes:
        client: An HTTP client whose requests go to the server, whatever host they name.
    """

    client: httpx.AsyncClient

    async def stop(self) -> None:
        """End it."""


class InferenceServer:
    """A running server, reached over a Unix socket: no port that others can see.

    Attributes:
        client: An HTTP client whose requests go to the server, whatever host they name.
    """

    def __init__(self, process: ChildProcess, client: httpx.AsyncClient, folder: Path) -> None:
        self._process = process
        self.client = client
        self._folder = folder

    async def wait_until_ready(self, seconds: float) -> None:
        """Wait until the entry script's init() is done and the server answers.

        Raises:
            ArmError: ResourceNotReady with the end of the log, if it is not ready in time.
        """
        try:
            async with asyncio.timeout(seconds):
                while self._process.exit_code is None:
                    if await self._is_healthy():
                        return
                    await asyncio.sleep(HEALTH_POLL_SECONDS)
        except TimeoutError:
            problem = f"The readiness probe did not succeed within {seconds:g} seconds."
        else:
            problem = f"User container has crashed or terminated: exit code {self._process.exit_code}."
        raise ArmError(400, "ResourceNotReady", f"{problem} End of its log:\n{self._process.log_tail(LOG_TAIL_LINES)}")

    async def stop(self) -> None:
        """End the server and remove its code and model."""
        # The process first: it finishes its requests.
        await self._process.stop()
        await self.client.aclose()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _is_healthy(self) -> bool:
        try:
            return (await self.client.get("/")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


class _ActiveServer:
    """A server and the number of requests it is answering.

    Attributes:
        server: The server.
        requests: The number of requests.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def request(self) -> Iterator[None]:
        self.requests += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.requests -= 1
            if not self.requests:
                self._idle.set()

    async def end(self) -> None:
        """End the server once it has answered its requests."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._idle.wait()
        await self.server.stop()


def _socket_folder(state_dir: Path) -> Path:
    """Create an empty folder for sockets that only this user can enter."""
    folder = state_dir / "sockets"
    if len(str(folder)) > SOCKET_FOLDER_LENGTH:
        return Path(tempfile.mkdtemp(prefix="azureml-", dir="/tmp"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


class InferenceServers:
    """The inference servers of all deployments, by the deployments' ARM ids."""

    def __init__(self, state_dir: Path) -> None:
        self._root = state_dir / "deployments"
        # Code and models left by a killed emulator. Logs are files and stay.
        for folder in self._root.glob("*/*/*/"):
            shutil.rmtree(folder)
        self._servers: dict[str, _ActiveServer] = {}
        self._sockets = _socket_folder(state_dir)

    def find(self, deployment_id: str) -> Server | None:
        """Return the server of a deployment, or None if none is up."""
        active = self._servers.get(deployment_id.lower())
        return active.server if active else None

    @contextmanager
    def in_use(self, deployment_id: str) -> Iterator[Server | None]:
        """Hold a deployment's server during the block; yield None if none is up."""
        active = self._servers.get(deployment_id.lower())
        with active.request() if active else contextlib.nullcontext():
            yield active.server if active else None

    def requests(self, deployment_id: str) -> int:
        """Return how many requests a deployment's server is answering."""
        active = self._servers.get(deployment_id.lower())
        return active.requests if active else 0

    def log(self, deployment_id: str) -> Path:
        """Return the log file of a deployment's newest server."""
        return self._folder(deployment_id) / "server.log"

    def new_folder(self, deployment_id: str) -> Path:
        """Create a folder for the code and model of a deployment's next server."""
        folder = self._folder(deployment_id) / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    async def start(self, deployment_id: str, app: ScoringApp, folder: Path) -> InferenceServer:
        """Start a server beside the one that serves; `replace` puts it in place.

        Args:
            deployment_id: The deployment's ARM id.
            app: What to serve.
            folder: From `new_folder`; the server owns it.

        Raises:
            ArmError: If the environment has no inference server.
        """
        python = app.environment / "bin" / "python"
        if not (app.environment / "bin" / "azmlinfsrv").exists():
            raise ArmError(
                400,
                "ResourceNotReady",
                "The environment has no inference server; add azureml-inference-server-http to it.",
            )
        socket = self._sockets / f"{uuid.uuid4().hex[:8]}.sock"
        # Like the command azmlinfsrv, which would listen on 0.0.0.0.
        process = await ChildProcess.start(
            [
                *(python, "-m", "gunicorn", "--bind", f"unix:{socket}", "--workers", "1", "--timeout", "300"),
                *("--access-logfile", "-", "--error-logfile", "-"),
                "azureml_inference_server_http.server.entry:app",
            ],
            log=self.log(deployment_id),
            env={
                # Containers do not inherit the host's environment.
                "PATH": f"{python.parent}{os.pathsep}{os.defpath}",
                "HOME": str(folder),
                "LANG": "C.UTF-8",
                "AML_APP_ROOT": str(app.code),
                "AZUREML_ENTRY_SCRIPT": str(app.code / app.entry_script),
                "AZUREML_MODEL_DIR": str(app.model),
                "AML_APP_INSIGHTS_ENABLED": "false",
                **app.variables,
            },
            cwd=app.code,
        )
        transport = httpx.AsyncHTTPTransport(uds=str(socket))
        return InferenceServer(process, httpx.AsyncClient(transport=transport, base_url="http://inference"), folder)

    async def replace(self, deployment_id: str, server: Server) -> None:
        """Serve a deployment with a server that is ready; end the one before it."""
        previous = self._servers.get(deployment_id.lower())
        self._servers[deployment_id.lower()] = _ActiveServer(server)
        if previous:
            await previous.end()

    async def stop(self, deployment_id: str) -> None:
        """End a deployment's server and remove its log."""
        if active := self._servers.pop(deployment_id.lower(), None):
            await active.end()
        shutil.rmtree(self._folder(deployment_id), ignore_errors=True)

    async def clear(self) -> None:
        """End all servers and remove their logs."""
        servers = [active.server for active in self._servers.values()]
        self._servers.clear()
        await asyncio.gather(*(server.stop() for server in servers))
        shutil.rmtree(self._root, ignore_errors=True)

    async def close(self) -> None:
        """End all servers."""
        await asyncio.gather(*(active.server.stop() for active in self._servers.values()))
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _folder(self, deployment_id: str) -> Path:
        # Names are validated on creation: they cannot lead elsewhere.
        _, _, endpoint, _, deployment = deployment_id.lower().rsplit("/", 4)
        return self._root / endpoint / deployment
