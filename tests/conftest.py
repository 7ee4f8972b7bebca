"""What tests of all rooms share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from azureml_emulator import EmulatorInfo, running_emulator


@pytest.fixture(scope="session")
def emulator() -> Iterator[EmulatorInfo]:
    """One local Azure ML for all tests of a session: give `emulator.environment` to client processes."""
    with running_emulator() as info:
        yield info
