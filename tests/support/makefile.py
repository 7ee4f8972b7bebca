"""What `make` would do, read from its dry runs."""

import os
import re
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def dry_run(*words: str, **exported: str) -> str:
    """Return the commands that `make` would run.

    Args:
        *words: Targets and variables.
        **exported: The environment variables beside PATH: make takes its variables from there too.
    """
    command = ["make", "--no-print-directory", "--dry-run", "--assume-old", ".venv/.ready", *words]
    environment = {"PATH": os.environ["PATH"], **exported}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def built_images(*words: str, **exported: str) -> list[str]:
    """Return the names of the images that `make` would build, in their order."""
    return re.findall(r'--tag "([^"]+)"', dry_run(*words, **exported))


def compile_flags(*variables: str, **exported: str) -> list[str]:
    """Return the arguments that `make compile-pipeline` would give to `kfp-azureml compile`."""
    printed = dry_run("compile-pipeline", *variables, **exported).replace("\\\n", " ")
    return shlex.split(printed[printed.index("kfp-azureml compile") :])[2:]
