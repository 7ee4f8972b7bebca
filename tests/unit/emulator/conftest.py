"""An emulator's web app without its child processes: requests go straight to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import httpx
import pytest

from azureml_emulator.app import build_app
from azureml_emulator.identity import Tokens
from azureml_emulator.inference import InferenceServers
from azureml_emulator.jobs.runs import Runs
from azureml_emulator.metrics import RequestMetrics
from azureml_emulator.operations import Operations
from azureml_emulator.resources import online_deployments, online_endpoints, workspaces
from azureml_emulator.services import Services
from azureml_emulator.settings import Settings
from azureml_emulator.store import Store
from azureml_emulator.tracking.records import Records
from azureml_emulator.transitions import Transitions


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class FakeBlobs:
    """Signs and makes containers like the real thing, with no store behind it."""

    account = "account"
    key = "a2V5"

    def __init__(self) -> None:
        self.containers: list[str] = []
        self.names: list[str] = []
        self.content: dict[str, bytes] = {}

    def url(self, container: str) -> str:
        return f"https://account.blob.core.windows.net/{container}"

    def sign(self, container: str) -> str:
        return f"sig={container}"

    async def list_names(self, _container: str, folder: str) -> list[str]:
        return sorted(name.removeprefix(folder) for name in self.names if name.startswith(folder))

    async def create_container(self, container: str) -> None:
        self.containers.append(container)

    async def read(self, uri: str) -> bytes | None:
        return self.content.get(uri)

    async def write(self, uri: str, content: bytes) -> None:
        self.content[uri] = content

    async def clear(self) -> None:
        self.content.clear()


@dataclass
class App:
    """The app under test.

    Attributes:
        parts: What its handlers work with.
        http: A client without any token.
        arm: A client for the workspace, signed in.
        clock: The time the tokens see.
        access_log: What the access log holds.
    """

    parts: Services
    http: httpx.AsyncClient
    arm: httpx.AsyncClient
    clock: Clock
    access_log: StringIO


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state.sqlite")
    yield store
    store.close()


@pytest.fixture
async def app(settings: Settings, store: Store) -> AsyncIterator[App]:
    clock = Clock()
    tokens = Tokens(settings, clock)
    servers = InferenceServers(settings.state_dir)
    transitions = Transitions(store, settings.settle_seconds)
    parts = Services(
        settings,
        store,
        transitions,
        Operations(store, transitions),
        tokens,
        FakeBlobs(),  # type: ignore[arg-type]
        servers,
        Runs(store.connection),
        Records(store.connection, settings.workspace_id),
        metrics=RequestMetrics(settings.metrics_lag_seconds, clock),
    )
    workspaces.create(store, settings, "account")
    online_endpoints.define_operations(parts)
    online_deployments.define_operations(parts)
    access_log = StringIO()
    transport = httpx.ASGITransport(build_app(parts, access_log), raise_app_exceptions=False)
    signed_in = {"authorization": f"Bearer {tokens.issue('https://management.azure.com')}"}
    base = f"https://management.azure.com{settings.workspace_id}/"
    async with (
        httpx.AsyncClient(transport=transport) as http,
        httpx.AsyncClient(transport=transport, base_url=base, headers=signed_in) as arm,
    ):
        yield App(parts, http, arm, clock, access_log)
    await parts.mirror.close()
    await parts.operations.close()
    await servers.close()
