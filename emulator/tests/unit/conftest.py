"""An emulator's web app without its child processes: requests go straight to it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from io import StringIO
from pathlib import Path

import httpx
import pytest

from azureml_emulator.arm.operations import Operations
from azureml_emulator.arm.transitions import Transitions
from azureml_emulator.context import Context
from azureml_emulator.control_plane import output_assets, workspaces
from azureml_emulator.databricks.service import Databricks
from azureml_emulator.hosts.routes import MODULES_WITH_OPERATIONS, build_app
from azureml_emulator.jobs.job_context import JobContext
from azureml_emulator.jobs.runner import JobRunner
from azureml_emulator.jobs.runs import Runs
from azureml_emulator.scoring.inference_server import InferenceServers
from azureml_emulator.scoring.metrics import RequestMetrics
from azureml_emulator.settings import Settings
from azureml_emulator.store import Store
from azureml_emulator.test_control.behaviours import Behaviours
from azureml_emulator.tokens import Tokens
from azureml_emulator.tracking.records import Records
from emulator_app import App, Clock, MemoryBlobs


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # This interpreter stands in for the environments of jobs.
    return Settings(state_dir=tmp_path, environment_pythons={"here": Path(sys.executable)})


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
    blobs = MemoryBlobs()
    runs = Runs(store.connection)
    register = partial(output_assets.register_output, store, blobs, settings)
    runner = JobRunner(JobContext(settings, store, blobs, tokens, runs, register))
    transitions = Transitions(store, settings.settle_seconds)
    behaviours = Behaviours()
    databricks = Databricks(settings, store, behaviours)
    context = Context(
        settings,
        store,
        transitions,
        Operations(store, transitions),
        tokens,
        blobs,
        servers,
        runs,
        runner,
        Records(store.connection, settings.workspace_id),
        databricks,
        behaviours=behaviours,
        metrics=RequestMetrics(settings.metrics_lag_seconds, clock),
    )
    workspaces.create(store, settings, "account")
    for kind in MODULES_WITH_OPERATIONS:
        kind.define_operations(context)
    runner.open({"HTTPS_PROXY": "http://127.0.0.1:1"})
    access_log = StringIO()
    transport = httpx.ASGITransport(build_app(context, access_log), raise_app_exceptions=False)
    signed_in = {"authorization": f"Bearer {tokens.issue('https://management.azure.com')}"}
    base = f"https://management.azure.com{settings.workspace_id}/"
    history = f"https://eastus.api.azureml.ms/history/v1.0{settings.workspace_id}/"
    for_data_plane = {"authorization": f"Bearer {tokens.issue('https://ml.azure.com')}"}
    async with (
        httpx.AsyncClient(transport=transport) as http,
        httpx.AsyncClient(transport=transport, base_url=base, headers=signed_in) as arm,
        httpx.AsyncClient(transport=transport, base_url=history, headers=for_data_plane) as data_plane,
    ):
        yield App(context, http, arm, clock, access_log, blobs, data_plane)
    await context.mirror.close()
    await context.operations.close()
    await databricks.close()
    await runner.close()
    await servers.close()
