"""What tests of all rooms share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from azureml_emulator import EmulatorInfo, running_emulator


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorInfo]:
    """One local Azure ML for all tests of a session: give `emulator.environment` to client processes.

    EMULATOR_ACCESS_LOG names a file that gets its access log: `make emulator-coverage` looks who asked for what.
    """
    with running_emulator() as info:
        yield info
        if kept := os.environ.get("EMULATOR_ACCESS_LOG"):
            shutil.copy(Path(info.state_dir) / "access.log", kept)
