"""The emulator: start, request rate, listing and upload of a large model."""

from __future__ import annotations

import asyncio
import os
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import httpx
from azure.storage.blob import BlobServiceClient

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_emulator.machine.certificates import make_certificates
from azureml_emulator.storage.azurite import running_azurite
from bench.azureml_calls import azureml_client_seconds
from bench.context import Context
from bench.row import Goal, Row, alone, compared
from bench.usage import MEGABYTE, CommandError

MODEL = {"properties": {"modelUri": "azureml://datastores/workspaceblobstore/paths/a", "modelType": "custom_model"}}
CLIENTS = 4
UPLOADS_AT_ONCE = 16
"""Concurrency of azure-ai-ml's uploads."""
CHUNK_BYTES = 1 << 20


def measure_emulator(context: Context) -> list[Row]:
    """Measure it alone, and a large upload beside Azurite, which stores its blobs."""
    repeats = range(context.scale.repeats)
    context.say("emulator: start")
    starts = [_start_seconds() for _ in repeats]
    context.say("emulator: requests")
    rates = [_request_rates(context.scale.emulator_seconds) for _ in repeats]
    context.say("emulator: list of models")
    listing = _list_seconds(context.scale.emulator_models, context.scale.repeats)
    context.say("emulator: upload")
    uploads = [_upload_rates(context, context.scale.upload_bytes) for _ in repeats[:3]]
    size = f"{context.scale.upload_bytes / 1e9:.2g} GB"
    return [
        alone("emulator: process start to ready", "s", starts, Goal("ours", "at most", 3), "Azurite included"),
        alone(
            "emulator: requests a second of its CPU", "1/s", [cpu for _, cpu in rates], Goal("ours", "at least", 200)
        ),
        alone("emulator: requests a second", "1/s", [wall for wall, _ in rates], note=f"{CLIENTS} clients beside it"),
        alone(
            f"emulator: azure-ai-ml lists {context.scale.emulator_models:,} models",
            "s",
            listing,
            Goal("ours", "at most", 1),
        ),
        compared(
            f"emulator: azure-ai-ml uploads {size}",
            "MB/s",
            [azurite for azurite, _ in uploads],
            [ours for _, ours in uploads],
            Goal("ratio", "at least", 0.6),
            note="baseline: azure-storage-blob to Azurite, nothing between",
        ),
    ]


def _start_seconds() -> float:
    started = time.perf_counter()
    with running_emulator():
        return time.perf_counter() - started


def _request_rates(seconds: float) -> tuple[float, float]:
    """Return requests a second of wall time, and of CPU time of the emulator's process."""
    with running_emulator() as emulator:
        counts = [0] * CLIENTS
        before, started = _cpu_seconds(emulator.pid), time.perf_counter()
        deadline = started + seconds
        threads = [
            threading.Thread(target=_ask, args=(emulator, client, counts, deadline)) for client in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall, used = time.perf_counter() - started, _cpu_seconds(emulator.pid) - before
    return sum(counts) / wall, sum(counts) / used


def _cpu_seconds(pid: int) -> float:
    """Return the user and system CPU seconds of a running process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ask(emulator: EmulatorInfo, client: int, counts: list[int], deadline: float) -> None:
    """Register, read and list models until the deadline."""
    with _workspace(emulator) as http:
        while time.perf_counter() < deadline:
            versions = f"models/{client}-{counts[client] % 100}/versions"
            http.put(f"{versions}/1", json=MODEL).raise_for_status()
            http.get(f"{versions}/1").raise_for_status()
            http.get(versions).raise_for_status()
            counts[client] += 3


def _list_seconds(count: int, repeats: int) -> list[float]:
    with running_emulator() as emulator:
        with _workspace(emulator) as http:
            for number in range(count):
                http.put(f"models/model-{number}/versions/1", json=MODEL).raise_for_status()
        answers = [azureml_client_seconds(emulator, "list") for _ in range(repeats)]
    if any(found != count for _, found in answers):
        raise CommandError(f"expected {count} listed models, got {[found for _, found in answers]}")
    return [seconds for seconds, _ in answers]


def _upload_rates(context: Context, size: int) -> tuple[float, float]:
    """Return MB/s of Azurite alone and through the emulator."""
    model = context.work / "large-model"
    model.mkdir(exist_ok=True)
    with (model / "weights.bin").open("wb") as stream:
        for start in range(0, size, CHUNK_BYTES):
            stream.write(os.urandom(min(CHUNK_BYTES, size - start)))
    azurite = asyncio.run(_azurite_seconds(model / "weights.bin", context.work / "azurite"))
    with running_emulator() as emulator:
        (ours,) = azureml_client_seconds(emulator, "upload", model)
    return size / azurite / MEGABYTE, size / ours / MEGABYTE


async def _azurite_seconds(file: Path, folder: Path) -> float:
    folder.mkdir(exist_ok=True)
    async with AsyncExitStack() as stack:
        certificates = make_certificates(folder / "certificates", "eastus")
        lock = stack.enter_context((folder / "lock").open("w"))
        account = await stack.enter_async_context(running_azurite(folder, certificates, lock))
        credential = {"account_name": account.name, "account_key": account.key}
        url = f"https://127.0.0.1:{account.port}/{account.name}"
        store = BlobServiceClient(url, credential, connection_verify=str(certificates.authority))
        return await asyncio.to_thread(_upload_seconds, store, file)


def _upload_seconds(store: BlobServiceClient, file: Path) -> float:
    container = store.create_container(f"bench-{time.time_ns()}")
    started = time.perf_counter()
    with file.open("rb") as content:
        container.upload_blob("weights.bin", content, max_concurrency=UPLOADS_AT_ONCE)
    seconds = time.perf_counter() - started
    container.delete_container()
    return seconds


@contextmanager
def _workspace(emulator: EmulatorInfo) -> Iterator[httpx.Client]:
    """Yield an HTTP client of the workspace in Azure Resource Manager, with a token."""
    names = emulator.environment
    url = (
        f"https://management.azure.com/subscriptions/{names['AZ_SUBSCRIPTION_ID']}/resourceGroups/"
        f"{emulator.resource_group}/providers/Microsoft.MachineLearningServices/workspaces/{emulator.workspace}"
    )
    trust = ssl.create_default_context(cafile=emulator.ca_file)
    with httpx.Client(base_url=url, proxy=emulator.proxy_url, verify=trust, trust_env=False) as http:
        form = {
            "grant_type": "client_credentials",
            "client_id": names["AZ_CLIENT_ID"],
            "client_secret": names["AZ_CLIENT_SECRET"],
            "scope": "https://management.azure.com/.default",
        }
        token = http.post(f"https://login.microsoftonline.com/{names['AZ_TENANT_ID']}/oauth2/v2.0/token", data=form)
        http.headers["authorization"] = f"Bearer {token.raise_for_status().json()['access_token']}"
        yield http
