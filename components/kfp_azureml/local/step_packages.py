"""Install the packages of a pipeline's components into virtual environments before the run.

kfp's components install packages when they start. On this machine that would change the user's interpreter, and steps
cannot reach a package index, only the Azure ML emulator.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kfp_azureml.local.environment_variables import common_variables, package_variables, proxy_variables
from kfp_azureml.local.task_command import Task
from kfp_azureml.runtime.errors import PipelineError

INSTALL_SECONDS = 1800
_EXECUTOR = "kfp.dsl.executor_main"
_INSTALLS = "-m pip install"
_THEN_RUN = '"$0" "$@"'


def split_command(command: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a component's command into the part that installs packages and the rest; either may be empty.

    kfp generates `sh -c "... python3 -m pip install ... && "$0" "$@"" sh -ec ...`.
    """
    words = list(command)
    if words[:2] == ["sh", "-c"] and len(words) > 3 and _INSTALLS in words[2] and _THEN_RUN in words[2]:
        return words[:3], words[3:]
    return [], words


def check_commands(executors: Mapping[str, Any], *, docker: bool) -> None:
    """Check that the components of a pipeline can run on this machine.

    Args:
        executors: The executors of a compiled pipeline, by label.
        docker: Whether they run in their images.

    Raises:
        PipelineError: If one cannot.
    """
    for label, executor in executors.items():
        if "container" not in executor:
            continue
        name = Task(label).name
        install, run = split_command(executor["container"].get("command", []))
        is_lightweight = run[:1] == ["sh"] and any(_EXECUTOR in word for word in run)
        if not docker and not is_lightweight:
            raise PipelineError(f"{name}: runs in its own image: add --docker")
        if docker and (wanted := _own_packages(install)):
            raise PipelineError(
                f"{name}: installs {', '.join(wanted)}, but containers of steps are read-only: set an image with the "
                "packages (base_image), or run without --docker"
            )


def install_packages(executors: Mapping[str, Any], folder: Path, say: Callable[[str], None]) -> dict[str, str]:
    """Create a virtual environment for each component that installs packages.

    Args:
        executors: The executors of a compiled pipeline, by label.
        folder: Parent folder of the environments.
        say: Prints a line.

    Returns:
        The folder of each environment's interpreter, by label.

    Raises:
        PipelineError: If packages cannot be installed.
    """
    made = {}
    for label, executor in executors.items():
        install, _ = split_command(executor.get("container", {}).get("command", []))
        wanted = _own_packages(install)
        if wanted:
            name = Task(label).name
            say(f"Packages: installing {', '.join(wanted)} for {name}")
            made[label] = str(_install(name, install, folder / label))
    return made


def _own_packages(install: Sequence[str]) -> list[str]:
    """Return the packages that a command installs, without kfp, which this environment has."""
    if not install:
        return []
    wanted = []
    for command in install[2].replace("&&", "\n").splitlines():
        words = shlex.split(command) if _INSTALLS in command else []
        packages_of = words[words.index("install") + 1 :] if words else []
        if not any(word.partition("=")[0] == "kfp" for word in packages_of):
            wanted += _without_options(packages_of)
    return wanted


def _without_options(words: Sequence[str]) -> list[str]:
    valued = ("--index-url", "--extra-index-url", "--trusted-host")
    return [
        word
        for before, word in zip(("", *words), words, strict=False)
        if not word.startswith("-") and before not in valued
    ]


def _install(name: str, install: Sequence[str], folder: Path) -> Path:
    # With the caller's proxies; those of the Azure ML emulator reach no package index.
    environment = {**common_variables(), **proxy_variables(), **package_variables()}
    binaries = folder / "bin"
    environment["PATH"] = f"{binaries}{os.pathsep}{environment.get('PATH', os.defpath)}"
    _run(name, [sys.executable, "-m", "venv", str(folder)], environment)
    (library,) = folder.glob("lib/python*/site-packages")
    # `addsitedir` also processes .pth files, such as that of an editable install.
    shared = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (library / "kfp_azureml.pth").write_text(shared)
    _run(name, [*install, "true"], environment)
    return binaries


def _run(name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PipelineError(f"{name}: its packages were not installed within {INSTALL_SECONDS} s") from None
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()
        said = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
        # An internal error of pip is a traceback with the reason in its last line.
        reason = next((line for line in reversed(said) if line != "Exception:"), *lines[-1:]) if lines else "no output"
        raise PipelineError(f"{name}: its packages cannot be installed: {reason}")
