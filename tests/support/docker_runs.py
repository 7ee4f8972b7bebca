"""Start `kfp-azureml run --docker` and read its results."""

import json
import subprocess
import sys
from pathlib import Path

COMMAND = [str(Path(sys.executable).with_name("kfp-azureml")), "run", "--docker"]


def start(runs: Path, pipeline: str | Path, *options: str) -> subprocess.Popen[str]:
    """Start `kfp-azureml run --docker`."""
    command = [*COMMAND, str(pipeline), "--runs", str(runs), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def summary(runs: Path) -> dict:
    return json.loads((runs / "latest" / "summary.json").read_text())
