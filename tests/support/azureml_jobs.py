"""Pipeline jobs in tests: an emulator whose jobs use this interpreter, and its command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azureml_emulator import EmulatorInfo, running_emulator
from kfp_azureml import images


@contextmanager
def emulator_with_images() -> Iterator[EmulatorInfo]:
    """Run an emulator that uses this interpreter for the suite's images, whatever their registry."""
    names = {image.rpartition(":")[0] for image in (images.ML_IMAGE, images.AZURE_IMAGE)}
    arguments = [word for name in sorted(names) for word in ("--environment-python", f"{name}={sys.executable}")]
    with running_emulator(arguments=arguments) as info:
        yield info


def aml(info: EmulatorInfo, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `kfp-azureml aml` in the emulator's workspace."""
    command = [str(Path(sys.executable).with_name("kfp-azureml")), "aml", *arguments]
    names = ["--resource-group", info.resource_group, "--workspace", info.workspace]
    return subprocess.run(
        [*command, *names],
        env={**os.environ, **info.environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=cwd,
    )
