"""How fast the emulator is: figures for the table in RESULTS.md. Each function measures one row and returns it."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from azure.identity import ClientSecretCredential
from azure.storage.blob import BlobServiceClient

from azureml_emulator import EmulatorInfo, running_emulator
from azureml_emulator.certificates import make_certificates
from azureml_emulator.storage import running_azurite

sys.path.append(str(Path(__file__).parents[1] / "tests/support"))
from azureml_rest import Workspace, signed_in_workspace

MODEL = {"modelUri": "azureml://datastores/workspaceblobstore/paths/a", "modelType": "custom_model"}
CLIENTS = 4
CONCURRENCY = 16
"""What azure-ai-ml uploads with."""
GIGABYTE = 1024**3


def start_seconds(runs: int = 5) -> float:
    """From the start of the process until everything answers, Azurite included, with a warm cache.

    Args:
        runs: How often to start it.

    Returns:
        Seconds, the median.
    """
    return statistics.median(_start_seconds() for _ in range(runs))


def control_plane_rate(seconds: float = 10.0) -> dict[str, float]:
    """How many requests are answered: models are registered, read and listed by some clients at once.

    Args:
        seconds: How long to measure.

    Returns:
        `requests_per_second` of wall time, and `requests_per_cpu_second` of the emulator's process.
    """
    with running_emulator() as emulator:
        process = psutil.Process(emulator.pid)
        counts = [0] * CLIENTS
        before, begin = process.cpu_times(), time.perf_counter()
        deadline = begin + seconds
        threads = [
            threading.Thread(target=_ask, args=(emulator, client, counts, deadline)) for client in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall, after = time.perf_counter() - begin, process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return {"requests_per_second": sum(counts) / wall, "requests_per_cpu_second": sum(counts) / cpu}


def list_models_seconds(count: int = 1000, runs: int = 3) -> float:
    """How long azure-ai-ml takes to list registered models.

    Args:
        count: How many there are.
        runs: How often to list them.

    Returns:
        Seconds, the median.
    """
    with running_emulator() as emulator, signed_in_workspace(emulator) as workspace, _environment(emulator):
        for number in range(count):
            workspace.put(f"models/model-{number}/versions/1", **MODEL)
        client = _client(emulator)
        next(iter(client.models.list()))
        return statistics.median(_list_seconds(client, count) for _ in range(runs))


def upload_rates(size: int = GIGABYTE) -> dict[str, float]:
    """How fast a model of one file is uploaded by azure-ai-ml, and the same file to Azurite without the emulator.

    Args:
        size: Bytes.

    Returns:
        `emulator` and `azurite` in MB/s, and `ratio`, the first in relation to the second.
    """
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        model.mkdir()
        with (model / "weights.bin").open("wb") as file:
            # Blocks that differ: Azurite could store equal ones once.
            for number in range(size // 2**20):
                file.write(number.to_bytes(8, "big") * (2**20 // 8))
        bare = asyncio.run(_bare_upload_seconds(model / "weights.bin", Path(folder) / "azurite"))
        with running_emulator() as emulator, _environment(emulator):
            client = _client(emulator)
            begin = time.perf_counter()
            client.models.create_or_update(Model(name="large", path=model, type="custom_model"))
            seconds = time.perf_counter() - begin
    return {"emulator": size / seconds / 1e6, "azurite": size / bare / 1e6, "ratio": bare / seconds}


def _start_seconds() -> float:
    begin = time.perf_counter()
    with running_emulator():
        return time.perf_counter() - begin


def _ask(emulator: EmulatorInfo, client: int, counts: list[int], deadline: float) -> None:
    with signed_in_workspace(emulator) as workspace:
        while time.perf_counter() < deadline:
            counts[client] += _ask_three_times(workspace, f"models/{client}-{counts[client] % 100}/versions")


def _ask_three_times(workspace: Workspace, versions: str) -> int:
    workspace.put(f"{versions}/1", **MODEL)
    workspace.get(f"{versions}/1")
    workspace.get(versions)
    return 3


def _list_seconds(client: MLClient, count: int) -> float:
    begin = time.perf_counter()
    found = sum(1 for _ in client.models.list())
    if found != count:
        raise RuntimeError(f"{found} models are listed, not {count}")
    return time.perf_counter() - begin


async def _bare_upload_seconds(file: Path, folder: Path) -> float:
    folder.mkdir()
    async with AsyncExitStack() as stack:
        certificates = make_certificates(folder / "certificates", "eastus")
        with (folder / "lock").open("w") as lock:
            account = await stack.enter_async_context(running_azurite(folder, certificates, lock))
            url = f"https://127.0.0.1:{account.port}/{account.name}"
            credential = {"account_name": account.name, "account_key": account.key}
            store = BlobServiceClient(url, credential, connection_verify=str(certificates.authority))
            return await asyncio.to_thread(_upload_seconds, store, file)


def _upload_seconds(store: BlobServiceClient, file: Path) -> float:
    container = store.create_container("bench")
    begin = time.perf_counter()
    with file.open("rb") as content:
        container.upload_blob("weights.bin", content, max_concurrency=CONCURRENCY)
    return time.perf_counter() - begin


def _client(emulator: EmulatorInfo) -> MLClient:
    names = emulator.environment
    credential = ClientSecretCredential(names["AZ_TENANT_ID"], names["AZ_CLIENT_ID"], names["AZ_CLIENT_SECRET"])
    return MLClient(
        credential, names["AZ_SUBSCRIPTION_ID"], emulator.resource_group, emulator.workspace, enable_telemetry=False
    )


@contextmanager
def _environment(emulator: EmulatorInfo) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        yield


def main() -> None:
    """Measure all rows and print them."""
    for measure in (start_seconds, control_plane_rate, list_models_seconds, upload_rates):
        sys.stdout.write(f"{measure.__name__}: {measure()}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
