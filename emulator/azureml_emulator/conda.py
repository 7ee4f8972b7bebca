"""From a conda file to a virtual environment: what the service's image build is to a deployment."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from azureml_emulator import processes
from azureml_emulator.arm import ArmError
from azureml_emulator.cache import cache_root, cached_folder

LOG_TAIL_LINES = 30
PYTHON_MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class CondaSpec:
    """What the emulator can build of a conda file.

    Attributes:
        requirements: The lines of its `pip` list.
    """

    requirements: tuple[str, ...]


def parse_conda_file(text: str) -> CondaSpec:
    """Read a conda file.

    Args:
        text: Its YAML: `dependencies` with `python` (this interpreter's minor version), `pip` and a `pip:` list.
            Name, channels and prefix do not matter here.

    Returns:
        What to build.

    Raises:
        ArmError: ImageBuildFailure, if it is not a conda file or asks for anything else.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise image_build_failure(f"The conda file is not YAML: {' '.join(str(error).split())}") from None
    dependencies = document.get("dependencies") if isinstance(document, dict) else None
    if not isinstance(dependencies, list):
        raise image_build_failure("The conda file has no list of 'dependencies'.")
    requirements: list[str] = []
    for dependency in dependencies:
        if isinstance(dependency, dict) and list(dependency) == ["pip"] and isinstance(dependency["pip"], list):
            requirements += [str(requirement) for requirement in dependency["pip"]]
        elif isinstance(dependency, str):
            _check_conda_package(dependency)
        else:
            raise image_build_failure(f"The conda file has a dependency that cannot be read: {dependency!r}.")
    return CondaSpec(tuple(requirements))


def _check_conda_package(dependency: str) -> None:
    parsed = re.fullmatch(r"(?:[\w.-]+::)?([\w.-]+)\s*(.*)", dependency.strip())
    name, version = parsed.groups() if parsed else (dependency, "")
    if name == "pip":
        return
    if name != "python":
        raise image_build_failure(
            f"The emulator cannot install the conda package {dependency!r}, it knows 'python' and 'pip' only:"
            " name it in the 'pip:' list if PyPI has it."
        )
    asked = re.fullmatch(r"={1,2}\s*(\d+\.\d+)(\.[\d*]+)?", version)
    if version and (asked is None or asked[1] != PYTHON_MINOR):
        raise image_build_failure(
            f"The conda file asks for {dependency!r}, but the emulator runs on Python {PYTHON_MINOR} and builds"
            f" environments for that version only: ask for 'python={PYTHON_MINOR}'."
        )


async def build_environment(spec: CondaSpec) -> Path:
    """Build the virtual environment, or find it in the cache.

    Args:
        spec: What to install.

    Returns:
        The environment's folder. It must not be changed.

    Raises:
        ArmError: ImageBuildFailure, with the end of the installer's output.
    """
    content = "\n".join([sys.version, sys.platform, *spec.requirements])

    async def make(folder: Path) -> None:
        requirements = folder / "requirements.txt"
        requirements.write_text("".join(f"{line}\n" for line in spec.requirements))
        python = folder / "venv" / "bin" / "python"
        uv = [sys.executable, "-m", "uv"]
        # Relocatable, because the folder gets its name when it is done.
        await _install_step([*uv, "venv", "--relocatable", "--python", sys.executable, folder / "venv"], folder)
        await _install_step([*uv, "pip", "install", "--python", python, "--requirement", requirements], folder)

    folder = cache_root() / "environments" / hashlib.sha256(content.encode()).hexdigest()[:32]
    return await cached_folder(folder, make) / "venv"


async def _install_step(command: list[str | Path], folder: Path) -> None:
    log = folder / "build.log"
    # In the folder itself: uv reads the settings of a project it is started in.
    if await processes.run(command, log=log, cwd=folder) != 0:
        raise image_build_failure(
            f"The environment could not be built. The end of the log:\n{processes.log_tail(log, LOG_TAIL_LINES)}"
        )


def image_build_failure(message: str) -> ArmError:
    """An environment that cannot be built."""
    return ArmError(400, "ImageBuildFailure", message)
