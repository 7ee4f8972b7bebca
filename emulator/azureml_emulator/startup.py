"""Start all parts of an emulator in order, and stop them in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, cast

import uvicorn
from starlette.types import ASGIApp

from azureml_emulator.arm.operations import Operations
from azureml_emulator.arm.transitions import State, Transitions
from azureml_emulator.context import Context
from azureml_emulator.control_plane import datastores, online_deployments, online_endpoints, output_assets, workspaces
from azureml_emulator.databricks.service import Databricks
from azureml_emulator.errors import EmulatorError, report_os_errors
from azureml_emulator.hosts.blob_relay import BlobRelay
from azureml_emulator.hosts.routes import MODULES_WITH_OPERATIONS, build_app, only_clusters
from azureml_emulator.info import (
    FILE_NAME,
    LOCK_NAME,
    EmulatorInfo,
    client_environment,
    write_federated_token,
    write_info,
)
from azureml_emulator.jobs.job_context import JobContext
from azureml_emulator.jobs.runner import JobRunner
from azureml_emulator.jobs.runs import Runs
from azureml_emulator.machine import processes
from azureml_emulator.machine.certificates import Certificates, make_certificates
from azureml_emulator.machine.connection_limits import ConnectionTable, Limits, raise_file_limit
from azureml_emulator.machine.folder_permissions import refuse_writable_by_others
from azureml_emulator.machine.http_protocol import PlainGate, TlsGate
from azureml_emulator.machine.locks import locked
from azureml_emulator.machine.proxy import running_proxy
from azureml_emulator.scoring.inference_server import InferenceServers
from azureml_emulator.scoring.metrics import RequestMetrics
from azureml_emulator.settings import Settings
from azureml_emulator.storage.azurite import running_azurite
from azureml_emulator.storage.blobs import Blobs
from azureml_emulator.store import FILE_NAME as STORE_NAME
from azureml_emulator.store import Store
from azureml_emulator.test_control import api
from azureml_emulator.test_control.behaviours import Behaviours
from azureml_emulator.tokens import Tokens
from azureml_emulator.tracking.records import Records

PARENT_POLL_SECONDS = 0.25
LOCK_SECONDS = 5.0
"""Longer than the watchdog of a killed emulator needs to end Azurite."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

logger = logging.getLogger(__name__)


def run(settings: Settings, on_ready: Callable[[EmulatorInfo], None], *, outlive_parent: bool) -> None:
    """Run the emulator until SIGINT, SIGTERM or SIGHUP, or until its parent exits.

    Args:
        settings: What to run; its state folder is created if needed.
        on_ready: Called once all hosts answer.
        outlive_parent: Keep running when the parent exits.

    Raises:
        EmulatorError: If it cannot start.
    """
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_run_until_stopped(settings, on_ready, outlive_parent))


async def _run_until_stopped(
    settings: Settings, on_ready: Callable[[EmulatorInfo], None], outlive_parent: bool
) -> None:
    """Stop by cancelling this task: each part cleans up on its way out."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - we run in one
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for number in STOP_SIGNALS:
            # A second signal must not interrupt the cleanup.
            loop.add_signal_handler(number, lambda: None)
        task.cancel()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    watch = None if outlive_parent else asyncio.create_task(_watch_parent(os.getppid(), stop))
    try:
        async with _running(settings) as info:
            on_ready(info)
            await asyncio.Event().wait()
    finally:
        if watch:
            watch.cancel()


async def _watch_parent(parent: int, stop: Callable[[], None]) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_POLL_SECONDS)
    stop()


@asynccontextmanager
async def _running(settings: Settings) -> AsyncIterator[EmulatorInfo]:
    async with AsyncExitStack() as stack:
        lock = await stack.enter_async_context(_locked_state_dir(settings.state_dir))
        await stack.enter_async_context(processes.crash_cleanup_running(settings.state_dir))
        access_file = settings.access_log or settings.state_dir / "access.log"
        with report_os_errors(access_file):
            access_log = stack.enter_context(access_file.open("a"))
        certificates = make_certificates(settings.state_dir / "certificates", settings.location)
        # Half a second of imports while Azurite starts.
        imports = asyncio.create_task(asyncio.to_thread(importlib.import_module, "azure.storage.blob"))
        limits = Limits(silent_seconds=settings.client_seconds, connections=raise_file_limit())
        storage = await stack.enter_async_context(running_azurite(settings.state_dir, certificates, lock, limits))
        await imports
        store = stack.enter_context(contextlib.closing(Store(settings.state_dir / STORE_NAME)))
        workspaces.create(store, settings, storage.name)

        def find_container(datastore: str) -> str | None:
            return datastores.find_container(store, f"{settings.workspace_id}/datastores/{datastore}", storage.name)

        blobs = Blobs(storage, certificates, find_container)
        stack.callback(blobs.close)
        await datastores.create_containers(blobs)
        servers = InferenceServers(settings.state_dir)
        stack.push_async_callback(servers.close)
        transitions = Transitions(store, settings.settle_seconds)
        operations = Operations(store, transitions)
        stack.push_async_callback(operations.close)
        tokens, runs = Tokens(settings), Runs(store.connection)
        register = partial(output_assets.register_output, store, blobs, settings)
        runner = JobRunner(JobContext(settings, store, blobs, tokens, runs, register))
        stack.push_async_callback(runner.close)
        # Without TLS, as clusters are by default.
        cluster = stack.enter_context(contextlib.closing(_listener()))
        behaviours = Behaviours()
        databricks = Databricks(settings, store, behaviours)
        stack.push_async_callback(databricks.close)
        context = Context(
            settings,
            store,
            transitions,
            operations,
            tokens,
            blobs,
            servers,
            runs,
            runner,
            Records(store.connection, settings.workspace_id),
            databricks,
            behaviours=behaviours,
            metrics=RequestMetrics(settings.metrics_lag_seconds),
            cluster_port=cluster.getsockname()[1],
        )
        stack.push_async_callback(context.mirror.close)
        for kind in MODULES_WITH_OPERATIONS:
            kind.define_operations(context)
        online_endpoints.renew_cluster_addresses(context)
        operations.resume()
        await _restart_deployments(context)

        relay = BlobRelay(storage, certificates, tokens, settings.tenant_id)
        stack.push_async_callback(relay.close)
        app = build_app(context, access_log, relay)
        app_port = await stack.enter_async_context(_web_server(app, certificates, limits))
        await stack.enter_async_context(_web_server(only_clusters(app), None, limits, cluster))
        proxy = running_proxy(app_port=app_port, blob_port=app_port, limits=limits)
        proxy_port = await stack.enter_async_context(proxy)
        proxy_url = f"http://127.0.0.1:{proxy_port}"
        info = EmulatorInfo(
            pid=os.getpid(),
            state_dir=str(settings.state_dir),
            proxy_url=proxy_url,
            ca_file=str(certificates.authority),
            environment=client_environment(settings, certificates, proxy_url),
            resource_group=settings.resource_group,
            workspace=settings.workspace,
            control_url=f"https://{api.HOST}" if settings.control else "",
            control_token=settings.control_token if settings.control else "",
            federated_token_file=str(write_federated_token(settings)),
            databricks_token=settings.databricks_token,
        )
        runner.open(info.environment)
        databricks.open(info.environment)
        info_file = write_info(info)
        stack.callback(info_file.unlink, missing_ok=True)
        yield info


async def _restart_deployments(context: Context) -> None:
    """Serve the deployments again that were served before the emulator stopped."""
    operations = []
    for deployment in context.store.list_type(online_deployments.TYPE):
        if deployment["properties"]["provisioningState"] == State.SUCCEEDED:
            context.transitions.move(deployment["id"], State.UPDATING)
            operations.append(context.operations.start(online_deployments.PUT, deployment["id"]))
    for operation in operations:
        await context.operations.wait(operation.id)


@asynccontextmanager
async def _locked_state_dir(state_dir: Path) -> AsyncIterator[IO[str]]:
    """Create the state folder and lock it: one emulator per folder."""
    with report_os_errors(state_dir):
        state_dir.mkdir(parents=True, exist_ok=True)
        refuse_writable_by_others(state_dir)
        (state_dir / LOCK_NAME).touch()
    async with AsyncExitStack() as stack:
        try:
            lock = await stack.enter_async_context(locked(state_dir / LOCK_NAME, LOCK_SECONDS))
        except TimeoutError:
            raise EmulatorError(
                f"another emulator is running on {state_dir}: stop it or choose another --state-dir"
            ) from None
        # Left by a killed emulator; its process id may belong to another process now.
        (state_dir / FILE_NAME).unlink(missing_ok=True)
        yield lock


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the emulator as a whole."""
        yield


def _listener() -> socket.socket:
    """Return a socket with a free port."""
    # asyncio sets TCP_NODELAY only if the protocol is named; without it each response takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    return listener


@asynccontextmanager
async def _web_server(
    app: ASGIApp, certificates: Certificates | None, limits: Limits, listener: socket.socket | None = None
) -> AsyncIterator[int]:
    """Serve an app with TLS, or without certificates, on a free port or a given one."""
    listener = listener or _listener()
    gate: Callable[..., asyncio.Protocol] = partial(PlainGate, limits=limits, table=ConnectionTable(limits.connections))
    if certificates:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.chain, certificates.key)
        gate = partial(TlsGate, limits=limits, table=ConnectionTable(limits.connections), context=context)
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", gate),
        ws="none",
        # Azurite's responses have their own.
        server_header=False,
        access_log=False,
        log_config=None,
        lifespan="off",
        # uvicorn's 5 s close connections that a busy client is about to use again, and a POST is not retried.
        timeout_keep_alive=int(limits.idle_seconds),
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
