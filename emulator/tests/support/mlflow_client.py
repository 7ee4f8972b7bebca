"""An environment with MLflow and Azure ML's plugin, which need older packages than the emulator's tests."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path

from azureml_emulator.machine.cache import cache_root, cached_folder

LOCK = Path(__file__).parents[1] / "mlflow-client.txt"
INSTALL_SECONDS = 300


def mlflow_client_python() -> Path:
    """Return the environment's interpreter; the first call on a machine installs it."""
    lock = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    return asyncio.run(cached_folder(cache_root() / f"mlflow-client-{lock}", _install)) / "bin/python"


async def _install(folder: Path) -> None:
    await asyncio.to_thread(_uv, "venv", "--allow-existing", "--relocatable", "--python", sys.executable, folder)
    await asyncio.to_thread(_uv, "pip", "sync", "--python", folder / "bin/python", "--require-hashes", LOCK)


def _uv(*arguments: str | Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, *arguments], timeout=INSTALL_SECONDS, check=True)
