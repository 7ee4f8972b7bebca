"""Run `make`, really or dry, without the variables of the `make` that runs the tests."""

import os
import re
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*words: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run `make --silent`, with the images' own names.

    Args:
        *words: Targets and variables.
        seconds: Timeout.
    """
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "REGISTRY", "TAG"}
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    command = ["make", "--silent", "--assume-old", ".venv/.ready", *words]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )


def dry_run(*words: str, set_up: bool = True, **exported: str) -> str:
    """Return the commands that `make` would run.

    Args:
        *words: Targets and variables.
        set_up: Whether to treat .venv as ready.
        **exported: Environment variables in addition to PATH; make reads variables from there too.
    """
    ready = ["--assume-old", ".venv/.ready"] if set_up else ["--assume-new", "pyproject.toml"]
    command = ["make", "--no-print-directory", "--dry-run", *ready, *words]
    environment = {"PATH": os.environ["PATH"], **exported}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout


def built_images(*words: str, **exported: str) -> list[str]:
    """Return the names of the images that `make` would build, in their order."""
    return re.findall(r'--tag "([^"]+)"', dry_run(*words, **exported))


def compile_flags(*variables: str, **exported: str) -> list[str]:
    """Return the arguments that `make compile-pipeline` would give to `kfp-azureml compile`."""
    printed = dry_run("compile-pipeline", *variables, **exported).replace("\\\n", " ")
    return shlex.split(printed[printed.index("kfp-azureml compile") :])[2:]
