"""Run a component's command as Azure ML does: expressions replaced in the text, then a shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_EXPRESSION = re.compile(r"\$\{\{(inputs|outputs)\.(\w+)\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)


def run_command(
    command: str, code: Path, inputs: Mapping[str, str], outputs: Mapping[str, Path], environ: Mapping[str, str] = {}
) -> subprocess.CompletedProcess[str]:
    """Run a command in its code folder, with this interpreter first in PATH."""
    values = {f"inputs.{name}": value for name, value in inputs.items()}
    values |= {f"outputs.{name}": str(path) for name, path in outputs.items()}

    def is_given(text: str) -> bool:
        return all(f"{side}.{name}" in values for side, name in _EXPRESSION.findall(text))

    text = _OPTIONAL.sub(lambda match: match[1] if is_given(match[1]) else "", command)
    text = _EXPRESSION.sub(lambda match: values[f"{match[1]}.{match[2]}"], text)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [shutil.which("bash") or "bash", "-c", text],
        cwd=code,
        env={
            "PATH": path,
            "HOME": str(code),
            **{f"AZUREML_PARAMETER_{name}": value for name, value in inputs.items()},
            **environ,
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def snapshot(spec_file: Path, in_job: Path, folder: Path) -> Path:
    """Create the code folder that the SDK uploads: the shared code and additional includes."""
    shutil.copytree(in_job, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for included in spec_file.parent.glob("*.json"):
        shutil.copy(included, folder)
    return folder
