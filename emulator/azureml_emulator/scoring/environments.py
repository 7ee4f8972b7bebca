"""Build a virtual environment from a conda file, in place of the image build."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from azureml_emulator.arm.errors import ArmError
from azureml_emulator.machine import processes
from azureml_emulator.machine.cache import cache_root, cached_folder

IMAGE_BUILD_FAILURE = "ImageBuildFailure"
LOG_TAIL_LINES = 30
PYTHON_MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
"""Versions that azureml-inference-server-http supports; it sets no upper bound, 3.13 is tested."""


@dataclass(frozen=True)
class CondaSpec:
    """The part of a conda file that the emulator can build.

    Attributes:
        requirements: The lines of its `pip` list.
        python: The minor version, such as `3.11`.
    """

    requirements: tuple[str, ...]
    python: str = PYTHON_MINOR


def parse_conda_file(text: str) -> CondaSpec:
    """Read a conda file.

    Args:
        text: Its YAML: `dependencies` with `python` (a minor version; by default this interpreter's), `pip` and a
            `pip:` list. Name, channels and prefix are ignored.

    Raises:
        ArmError: ImageBuildFailure, if it is not a conda file or has other dependencies.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise image_build_failure(f"The conda file is not YAML: {' '.join(str(error).split())}") from None
    dependencies = document.get("dependencies") if isinstance(document, dict) else None
    if not isinstance(dependencies, list):
        raise image_build_failure("The conda file has no list of 'dependencies'.")
    requirements: list[str] = []
    python = PYTHON_MINOR
    for dependency in dependencies:
        if isinstance(dependency, dict) and list(dependency) == ["pip"] and isinstance(dependency["pip"], list):
            requirements += [str(requirement) for requirement in dependency["pip"]]
        elif isinstance(dependency, str):
            python = _python_version(dependency) or python
        else:
            raise image_build_failure(f"The conda file has a dependency that cannot be read: {dependency!r}.")
    return CondaSpec(tuple(requirements), python)


def _python_version(dependency: str) -> str | None:
    """Read a conda package; return Python's minor version if it names one."""
    parsed = re.fullmatch(r"(?:[\w.-]+::)?([\w.-]+)\s*(.*)", dependency.strip())
    name, version = parsed.groups() if parsed else (dependency, "")
    if name == "pip" or (name == "python" and not version):
        return None
    if name != "python":
        raise image_build_failure(
            f"The emulator cannot install the conda package {dependency!r}, only 'python' and 'pip';"
            " move it to the 'pip:' list if PyPI has it."
        )
    asked = re.fullmatch(r"={1,2}\s*(\d+\.\d+)(\.[\d*]+)?", version)
    if asked is None or asked[1] not in PYTHONS:
        raise image_build_failure(
            f"The inference server does not support {dependency!r} of the conda file; choose a version,"
            f" as 'python=X.Y': {', '.join(PYTHONS)}."
        )
    return asked[1]


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
        uv = [sys.executable, "-m", "uv"]
        # For other versions uv finds an interpreter on this machine or downloads it.
        interpreter = sys.executable if is_own else spec.python
        # Relocatable, because the folder is renamed when complete.
        await _install_step([*uv, "venv", "--relocatable", "--python", interpreter, folder / "venv"], folder)
        await _install_step([*uv, "pip", "install", "--python", python, "--requirement", requirements], folder)

    folder = cache_root() / "environments" / hashlib.sha256(content.encode()).hexdigest()[:32]
    return await cached_folder(folder, make) / "venv"


async def _install_step(command: list[str | Path], folder: Path) -> None:
    log = folder / "build.log"
    # In this folder: uv reads the settings of the project it is started in.
    if await processes.run(command, log=log, cwd=folder) != 0:
        raise image_build_failure("The environment could not be built.", log)


class ImageBuildError(ArmError):
    """An environment that cannot be built.

    Attributes:
        reason: Why, in one line.
        log: The installer's output; the reason, if it did not run.
    """

    def __init__(self, reason: str, message: str, log: str) -> None:
        super().__init__(400, IMAGE_BUILD_FAILURE, message)
        self.reason = reason
        self.log = log


def image_build_failure(reason: str, log: Path | None = None) -> ImageBuildError:
    """Build the error of an environment that cannot be built.

    Args:
        reason: Why.
        log: The installer's output, if it ran; the message has its end.
    """
    if log is None:
        return ImageBuildError(reason, reason, f"{reason}\n")
    tail = processes.log_tail(log, LOG_TAIL_LINES)
    return ImageBuildError(reason, f"{reason} End of the log:\n{tail}", log.read_text(errors="replace"))
