"""Build virtual environments, in place of images."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from azureml_emulator.machine import processes
from azureml_emulator.machine.cache import cache_root, cached_folder
from azureml_emulator.scoring.build_failures import image_build_failure
from azureml_emulator.scoring.conda_files import PYTHON_MINOR, CondaSpec


async def build_environment(spec: CondaSpec) -> Path:
    """Build a virtual environment, or find it in the cache; it must not be changed.

    Raises:
        ArmError: ImageBuildFailure, with the end of the installer's output.
    """
    is_own = spec.python == PYTHON_MINOR
    content = "\n".join([sys.version if is_own else spec.python, sys.platform, *spec.requirements])

    async def make(folder: Path) -> None:
        requirements = folder / "requirements.txt"
        requirements.write_text("".join(f"{line}\n" for line in spec.requirements))
        python = folder / "venv" / "bin" / "python"
        uv: list[str | Path] = [sys.executable, "-m", "uv"]
        # For other versions uv finds an interpreter on this machine or downloads it.
        interpreter = sys.executable if is_own else spec.python
        # Relocatable, because the folder is renamed when complete.
        venv = [*uv, "venv", "--relocatable", "--python", interpreter, folder / "venv"]
        log = folder / "build.log"
        # In this folder: uv reads the settings of the project it is started in.
        if await processes.run(venv, log=log, cwd=folder) != 0:
            raise image_build_failure(_no_python(spec.python), log, spec.notes, shows_log=is_own)
        install = [*uv, "pip", "install", "--python", python, "--requirement", requirements]
        if await processes.run(install, log=log, cwd=folder) != 0:
            raise image_build_failure("The environment could not be built.", log, spec.notes)

    folder = cache_root() / "environments" / hashlib.sha256(content.encode()).hexdigest()[:32]
    return await cached_folder(folder, make) / "venv"


def _no_python(minor: str) -> str:
    return (
        f"Python {minor}, which the environment asks for, is not on this machine, and uv could not download it."
        f" Start the emulator with --environment-python python{minor}=PYTHON, where PYTHON is an interpreter with the"
        " environment's packages."
    )
